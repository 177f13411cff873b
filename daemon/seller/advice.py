"""The English gloss, the cause and the fix beside what a marketplace said, where they are known (guide L17).

The marketplace's own words stay as they are; `advice` stands beside them, None where nobody has said what they mean.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from daemon.model import AccountName, Advice
from daemon.settings import AccountSettings
from daemon.store.codes import AnswerCode
from daemon.store.views import View

#: account, code and text of an error → what is known of it
Explain = Callable[[str, str, str], Advice | None]


def explained_by(accounts: Mapping[AccountName, AccountSettings]) -> Explain:
    """By the catalogues of configured accounts; of others nothing is known."""

    def explain(account: str, code: str, text: str) -> Advice | None:
        settings = accounts.get(AccountName(account))
        return None if settings is None else settings.explain(code, text)

    return explain


def advise_listing(listing: View, explain: Explain) -> View:
    """A listing with advice for each part in Error, and for each feed that carried it (if it has them)."""
    account, told = listing["account"], listing["rejection"] or {"code": "", "text": ""}
    parts = {
        part: {**how, "advice": _given(explain(account, *_words(how["error"], told)))}
        for part, how in listing["parts"].items()
    }
    more = {"feeds": [_advised(account, feed, explain) for feed in listing["feeds"]]} if "feeds" in listing else {}
    return {**listing, "parts": parts, **more}


def advise_feed(feed: View, explain: Explain) -> View:
    """A feed with advice for its own error, and for each object of it (if it has them)."""
    account = feed["account"]
    more = {"objects": [_advised(account, each, explain) for each in feed["objects"]]} if "objects" in feed else {}
    return {**feed, "advice": _given(explain(account, "", feed["error"])), **more}


def advise_code(code: AnswerCode, explain: Explain) -> View:
    """One error that was told, as plain values."""
    advice = explain(code.account, code.code, code.text)
    return {
        "account": code.account,
        "code": code.code,
        "text": code.text,
        "count": code.count,
        "first_seen_at": _iso(code.first_seen_at),
        "last_seen_at": _iso(code.last_seen_at),
        "known": advice is not None,
        "advice": _given(advice),
    }


def count_known(codes: Sequence[AnswerCode], explain: Explain) -> dict[tuple[str, str], int]:
    """How many answers said something that is known or unknown, by (account, "known" or "unknown")."""
    found: dict[tuple[str, str], int] = {}
    for code in codes:
        how = "unknown" if explain(code.account, code.code, code.text) is None else "known"
        found[code.account, how] = found.get((code.account, how), 0) + code.count
    return found


def in_words(advice: Mapping[str, str] | None) -> str:
    """Advice on one line."""
    if advice is None:
        return ""
    fix = f"fix: {advice['fix']}" if advice["fix"] else ""
    cause = f"cause: {advice['cause']}" if advice["cause"] else ""
    return "; ".join(filter(None, (advice["gloss"], cause, fix)))


def _words(error: str, told: Mapping[str, str]) -> tuple[str, str]:
    """Code and text of a part's error: the code is that of the listing's last rejection, if that is what it says."""
    return (told["code"], told["text"]) if error and error in (told["text"], told["code"]) else ("", error)


def _advised(account: str, row: View, explain: Explain) -> View:
    return {**row, "advice": _given(explain(account, row["code"], row["text"]))}


def _given(advice: Advice | None) -> dict[str, str] | None:
    return None if advice is None else asdict(advice)


def _iso(instant: Any) -> str:
    text: str = instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return text
