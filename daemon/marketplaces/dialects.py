"""Which wires are spoken here, which marketplaces speak them, and how an account's way into one is opened.

Who only reads a configuration opens none: what speaks a wire is imported where it is opened, because asyncssh and the
HTTP client take longer to import than all the rest.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from daemon.marketplaces import Marketplace
from daemon.marketplaces.edge.settings import EdgeSettings
from daemon.marketplaces.sellr.errors import shipped
from daemon.marketplaces.sellr.settings import SellrSettings
from daemon.rules.catalogue import Catalogue
from daemon.settings import AccountSettings


@dataclass(frozen=True, slots=True)
class Dialect:
    """One wire: the form of its accounts' configuration, the jobs that it needs, and the way in.

    `open` takes the settings (of the form `settings`) and the pinned host keys by place of login. `jobs` are those of
    its group in crontab.py: what `every` of an account may name. An account whose marketplace is one of `marketplaces`
    need not say what it speaks. `errors` is what is known of its errors without any account's own catalogue.
    """

    settings: type[AccountSettings]
    open: Callable[[Any, Mapping[str, Sequence[str]]], Marketplace]
    jobs: tuple[str, ...]
    marketplaces: tuple[str, ...]
    errors: Callable[[], Catalogue] = Catalogue


def _sellr(settings: SellrSettings, keys: Mapping[str, Sequence[str]]) -> Marketplace:
    from daemon.marketplaces.sellr.marketplace import Sellr

    return Sellr(settings, host_keys=keys)


def _edge(settings: EdgeSettings, keys: Mapping[str, Sequence[str]]) -> Marketplace:
    from daemon.marketplaces.edge.marketplace import Edge

    return Edge(settings, host_keys=keys)


DIALECTS: Mapping[str, Dialect] = {
    "sellr": Dialect(
        SellrSettings,
        _sellr,
        jobs=("items", "offers", "reports", "orders", "updates", "refunds", "exchange", "housekeeping"),
        marketplaces=("laredoute",),
        errors=shipped,
    ),
    "edge": Dialect(
        EdgeSettings,
        _edge,
        jobs=("offers", "reports", "orders", "updates", "claims", "refunds", "exchange", "housekeeping"),
        marketplaces=("johnlewis", "argos"),
    ),
}

#: what an account speaks when it does not say so itself
SPEAKS: Mapping[str, str] = {name: wire for wire, dialect in DIALECTS.items() for name in dialect.marketplaces}

#: the wire whose retailers are data: who is no account's `marketplace` by name is one by its profile (J15)
PROFILED = "edge"
