"""Where La Redoute's services are, and which addresses are refused: those of the shop for a try, and any in clear."""

from urllib.parse import urlsplit

from daemon.settings import Table, is_loopback


class UrlsTable(Table):
    """Where the services are (A2, as they were in 2017); an account that is not live must say where its own are."""

    items: str = "https://api-gateway.laredoute.com/seller/items"
    offers: str = "https://marketplace.laredoute.com/Redcats/File/ESB-TIBCO/File/1.0"
    orders: str = "https://api-gateway.laredoute.com/prod/seller/orders/1.2"


def urls_fault(urls: UrlsTable, environment: str) -> str:
    """Why an account of this environment may not speak to these addresses, all at once; nothing where it may."""
    problems = {name: _problem(url, environment, written=name in urls.model_fields_set) for name, url in urls}
    return "; ".join(f"{name}: {problem}" for name, problem in problems.items() if problem)


_LIVE_HOSTS = frozenset(urlsplit(url).hostname for _, url in UrlsTable())


def _problem(url: str, environment: str, *, written: bool) -> str | None:
    try:
        parts = urlsplit(url)
        host = parts.hostname
        _ = parts.port
    except ValueError as error:
        return f"not a URL ({error}); write it like https://host.example/path"
    if not host:
        return "not an absolute URL; write it like https://host.example/path"
    if parts.username is not None or parts.password is not None:
        return "no user or password in a URL; they belong to login.user and login.password"
    if host.rstrip(".") in _LIVE_HOSTS and (environment == "sandbox" or (environment == "uat" and not written)):
        # A try must not reach the shop by an oversight, and never faster than its hour.
        return f'{host} is La Redoute itself; for environment = "{environment}" write the address of that one'
    if parts.scheme == "https" or (parts.scheme == "http" and environment == "sandbox" and is_loopback(host)):
        return None
    if parts.scheme == "http":
        return (
            "http:// would send the password in clear; use https:// "
            '(http:// only to a loopback address with environment = "sandbox")'
        )
    return "only https:// is spoken here; write it like https://host.example/path"
