"""Which wire a marketplace speaks, and how an account's way into it is opened."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from daemon.marketplaces import Marketplace
from daemon.marketplaces.edge import Edge, EdgeSettings
from daemon.marketplaces.sellr import Sellr, SellrSettings
from daemon.marketplaces.sellr.errors import shipped
from daemon.rules.catalogue import Catalogue
from daemon.settings import AccountSettings


@dataclass(frozen=True, slots=True)
class Dialect:
    """One wire: the form of its accounts' configuration, and the way in.

    `open` takes the settings (of the form `settings`) and the pinned host keys by place of login. `errors` is what is
    known of its errors without any account's own catalogue.
    """

    settings: type[AccountSettings]
    open: Callable[[Any, Mapping[str, Sequence[str]]], Marketplace]
    errors: Callable[[], Catalogue] = Catalogue


DIALECTS: Mapping[str, Dialect] = {
    "sellr": Dialect(SellrSettings, lambda settings, keys: Sellr(settings, host_keys=keys), shipped),
    "edge": Dialect(EdgeSettings, lambda settings, keys: Edge(settings, host_keys=keys)),
}

#: what an account speaks when it does not say so itself
SPEAKS: Mapping[str, str] = {"laredoute": "sellr", "johnlewis": "edge", "argos": "edge"}

#: the wire whose retailers are data: who is no account's `marketplace` by name is one by its profile (J15)
PROFILED = "edge"
