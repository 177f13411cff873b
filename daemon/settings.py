"""The pieces that every account's configuration is made of: durations, secrets, logins, and what all accounts share."""

import os
import re
import stat
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from difflib import get_close_matches
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self
from urllib.parse import quote, urlsplit
from zoneinfo import ZoneInfo, available_timezones

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    ValidationInfo,
    model_validator,
)
from pydantic_core import CoreSchema, core_schema

from daemon.model import (
    Advice,
    Deadlines,
    FeedKind,
    FeedRule,
    GuardTerms,
    ItemLimits,
    LegalMoves,
    OfferTerms,
    Parcel,
    PhotoTerms,
    Sku,
    VatTerritory,
)

_DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)\s*")
_UNITS = {"ms": "milliseconds", "s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
#: longer than any retention, and short enough to be added to an instant
_LONGEST = timedelta(days=36_500)


def parse_duration(value: object) -> timedelta:
    """Read `"30m"`, `"1h"`, `"2 d"`, `"1h 30m"` or `"500ms"`, up to a hundred years; raises ValueError with the fix."""
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str) or not re.fullmatch(f"(?:{_DURATION.pattern})+", value):
        raise ValueError('a duration is a text of number and unit, such as "30s", "15m", "1h", "2d"')
    try:
        duration = sum(
            (timedelta(**{_UNITS[unit]: float(number)}) for number, unit in _DURATION.findall(value)),
            timedelta(),
        )
    except OverflowError:
        duration = timedelta.max
    if duration > _LONGEST:
        raise ValueError(f'longer than a hundred years; write "{_LONGEST.days}d" or less')
    return duration


Duration = Annotated[timedelta, BeforeValidator(parse_duration)]


@cache
def _zones() -> frozenset[str]:
    """The time zones of this machine, for which its files are walked through."""
    return frozenset(available_timezones())


def _known_zone(name: str) -> str:
    zones = _zones()
    if name in zones:
        return name
    near = get_close_matches(name, zones, n=3, cutoff=0.5)
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    raise ValueError(f"no such time zone in the tz database{hint}")


TimeZone = Annotated[str, AfterValidator(_known_zone)]


def _is_host(host: str) -> str:
    if not re.fullmatch(r"[^\s/@\[\]]+", host):
        raise ValueError('write the name or address of the server alone, such as "sftp.marketplace.example"')
    return host


Host = Annotated[str, AfterValidator(_is_host)]


def is_loopback(host: str) -> bool:
    """Whether a host is this machine by its very name, so that nobody else sees what is sent there."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


class Secret:
    """A password, key or token; its text comes out by `reveal()` only and never by repr, str or a format."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself."""
        return self._text

    def __repr__(self) -> str:
        return "Secret('***')"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Read one of the three forms at load time, so that a missing secret is a configuration problem (D3)."""
        return core_schema.with_info_plain_validator_function(
            cls._resolve, serialization=core_schema.plain_serializer_function_ser_schema(lambda _: "***")
        )

    @classmethod
    def _resolve(cls, value: object, info: ValidationInfo) -> "Secret":
        if isinstance(value, Secret):
            return value
        if not isinstance(value, dict) or len(value) != 1 or not value.keys() <= {"credential", "file", "env"}:
            raise ValueError(
                'a secret is never written here: use { credential = "name" } (systemd LoadCredential), '
                '{ file = "/path" } or { env = "NAME" }'
            )
        ((form, where),) = value.items()
        if not isinstance(where, str) or not where:
            raise ValueError(f"{form} wants a name in quotes")
        if form == "env":
            return cls(_from_environment(where))
        folder = (info.context or {}).get("folder", Path())
        return cls(_from_file(_credential(where) if form == "credential" else folder / where, form))


def _from_environment(name: str) -> str:
    if name not in os.environ:
        raise ValueError(f"the environment has no variable {name}; set it, or use {{ file = … }}")
    if not os.environ[name]:
        raise ValueError(f"the variable {name} of the environment is empty; put the secret in it")
    return os.environ[name]


def _credential(name: str) -> Path:
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if folder is None:
        raise ValueError(
            f"no CREDENTIALS_DIRECTORY: add LoadCredential={name}:/path to the unit, or use {{ file = … }} by hand"
        )
    return Path(folder) / name


def _from_file(path: Path, form: str) -> str:
    try:
        mode = path.stat().st_mode
        text = path.read_text("utf-8")
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not UTF-8 text") from None
    if form == "file" and mode & (stat.S_IRGRP | stat.S_IROTH):
        raise ValueError(f"{path} can be read by others (mode {stat.S_IMODE(mode):04o}); run: chmod 600 {path}")
    # An editor ends a file with a newline that is no part of a password; a PEM key does not mind.
    secret = text.rstrip("\r\n")
    if not secret:
        raise ValueError(f"{path} is empty; put the secret in it")
    return secret


class Table(BaseModel):
    """One table of the configuration: frozen, and an unknown key is an error (D3)."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=False, validate_default=False)


def secrets_in(value: object, place: str = "") -> Iterator[tuple[str, Secret]]:
    """Every secret of a table, at any depth, with its place in it."""
    if isinstance(value, Secret):
        yield place, value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from secrets_in(getattr(value, name), f"{place}.{name}".removeprefix("."))
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from secrets_in(item, f"{place}.{name}".removeprefix("."))
    elif isinstance(value, tuple):
        for number, item in enumerate(value):
            yield from secrets_in(item, f"{place}.{number}")


class SftpTable(Table):
    """An SFTP login (guide L and J, account).

    `in_flight` is how many requests are under way at once: as many as OpenSSH's own client has, so that a server which
    does not bear them would not bear that one either. With `pipelining` folders are read ahead and small files fetched
    many at a time, in a second session of the same connection; a server that allows no second one is spoken to
    without. A server that dislikes much at once is spoken to more gently with `in_flight = 16`, or with `1`, which is
    one request after the other, and `pipelining = false`.
    """

    host: Host
    port: int = Field(default=22, ge=1, le=65535)
    user: str
    password: Secret | None = None
    private_key: Secret | None = None
    passphrase: Secret | None = None
    host_keys: tuple[str, ...] = ()
    connections: int = Field(default=1, ge=1, le=8)
    in_flight: int = Field(default=64, ge=1, le=256)
    pipelining: bool = True

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        if self.password is None and self.private_key is None:
            raise ValueError("a login needs password or private_key (or both)")
        return self


def _tracking_template(text: str) -> str:
    if text and (urlsplit(text).scheme not in {"http", "https"} or "{tracking_number}" not in text):
        raise ValueError('write it like "https://carrier.example/track/{tracking_number}", or leave it empty')
    return text


class DeadlinesTable(Table):
    """By when the seller should have acted (no marketplace's own deadline is public: the defaults are ours).

    An order line that has waited longer than `accept_within` for its acceptance, or than `ship_within` for its
    shipment, is late; `warn_before` before that it is due soon. `"0s"` is no deadline.
    """

    accept_within: Duration = timedelta(hours=24)
    ship_within: Duration = timedelta(hours=48)
    warn_before: Duration = timedelta(hours=6)


class GuardTable(Table):
    """The change guard: what looks like a mistake at machine speed waits for a person (docs/alerts.md).

    Held back are a price that falls or rises by more than `price_fall` or `price_rise` percent against the last one
    that was accepted, a promotion that takes more than `promotion_fall` percent off, and stocks that go to zero, or
    listings that end, where within `window` they are more than `zero_share` or `end_share` percent of those that sell,
    and at least `zero_least` or `end_least`. Fewer go at once. A held zero leaves by itself after `zero_expiry`,
    because what is not there would be sold meanwhile; `"0s"` is never. A `0` switches a rule off.
    """

    active: bool = True
    price_fall: int = Field(default=30, ge=0, lt=100)
    price_rise: int = Field(default=200, ge=0)
    promotion_fall: int = Field(default=75, ge=0, lt=100)
    zero_share: int = Field(default=20, ge=0, lt=100)
    zero_least: int = Field(default=20, ge=1)
    end_share: int = Field(default=10, ge=0, lt=100)
    end_least: int = Field(default=20, ge=1)
    window: Duration = timedelta(hours=1)
    zero_expiry: Duration = timedelta(hours=4)

    @property
    def terms(self) -> GuardTerms:
        """The rules as they are judged by."""
        values = {name: getattr(self, name) for name in type(self).model_fields if name != "active"}
        return GuardTerms(**values) if self.active else GuardTerms()


class ThresholdsTable(Table):
    """When something of this account is worth an alert; `"0s"` and `0` switch a cause off.

    A job is silent when it has not succeeded for `silence`, and for four of its intervals. The others are how long a
    feed may wait for its answer, a change for its feed, and an update in doubt for a person; how many feeds may lapse
    in a day; the share of a day's answers that may be rejections, from so many rejections on; and how long before a
    secret ends (`expires`) that is told.
    """

    silence: Duration = timedelta(hours=2)
    answers_overdue: Duration = timedelta(hours=1)
    pending: Duration = timedelta(hours=6)
    in_doubt: Duration = timedelta(minutes=15)
    lapsed_feeds: int = Field(default=1, ge=0)
    rejections_percent: int = Field(default=20, ge=0, le=100)
    rejections_least: int = Field(default=10, ge=1)
    orders: bool = True
    set_aside: bool = True
    expiry_notice: Duration = timedelta(days=14)


def _beside_the_configuration(path: Path, info: ValidationInfo) -> Path:
    folder: Path = (info.context or {}).get("folder", Path())
    return folder / path


Folder = Annotated[Path, AfterValidator(_beside_the_configuration)]


class ExchangeTable(Table):
    """Folders of the seller's on this machine, looked into as often as `exchange` of `every` says (docs/imports.md).

    What is dropped into `inbox` (`stock-….csv`, `prices-….xlsx`, …) is imported and moved to `done` or `failed` inside
    it. Into `outbox` each new order is written as a file of its own, of the form `orders`; with `changes` once more
    after each change.
    """

    inbox: Folder | None = None
    outbox: Folder | None = None
    orders: Literal["json", "csv", "xlsx"] = "json"
    changes: bool = False

    @model_validator(mode="after")
    def _not_the_same(self) -> Self:
        if self.inbox is not None and self.inbox == self.outbox:
            raise ValueError("inbox and outbox are one folder: what goes out would come in again; use two")
        return self

    @property
    def used(self) -> bool:
        """Whether there is any folder to look into."""
        return self.inbox is not None or self.outbox is not None


class StockRulesTable(Table):
    """How much of the stock is offered; a listing may have its own figures (import columns `safety_stock`, …).

    Of the units in stock, less those of open orders (`reserve_open_orders`) and less `safety`, `percentage` is offered,
    at most `cap`; where that is less than `below`, none is.
    """

    safety: int = Field(default=0, ge=0)
    percentage: int = Field(default=100, ge=0, le=100)
    cap: int | None = Field(default=None, ge=0)
    below: int = Field(default=0, ge=0)
    reserve_open_orders: bool = False


class AccountSettings(Table):
    """What every account has, whatever its marketplace; the marketplaces' packages add the rest."""

    marketplace: str
    speaks: str
    name: str
    active: bool = True
    environment: Literal["live", "uat", "sandbox"] = "live"
    time_zone: TimeZone
    currency: str = Field(pattern="^[A-Z]{3}$")
    every: Mapping[str, Duration] = Field(default_factory=dict)
    turn_deadline: Duration = Field(default=timedelta(minutes=30), gt=timedelta())
    order_lookback: Duration = timedelta(days=14)
    #: how far back orders are asked for while a line of them is open, a refund under way say
    open_order_lookback: Duration = timedelta(days=90)
    payload_retention: Duration = timedelta(days=90)
    block_after: int = Field(default=3, ge=0)
    personal_data_retention: Duration = timedelta(days=180)
    stock_rules: StockRulesTable = StockRulesTable()
    exchange: ExchangeTable = ExchangeTable()
    #: what becomes of a parcel without a tracking URL: `{tracking_number}` stands for its number (L13)
    tracking_url: Annotated[str, AfterValidator(_tracking_template)] = ""
    orders: DeadlinesTable = DeadlinesTable()
    alerts: ThresholdsTable = ThresholdsTable()
    guard: GuardTable = GuardTable()
    #: when its secrets end, by any name: "login password" = 2027-01-31
    expires: Mapping[str, date] = Field(default_factory=dict)

    #: whether its marketplace has a test tree, in which test orders can be rehearsed
    has_test_tree: ClassVar[bool] = False
    #: what the seller may say of order lines here, and when (Sell-R A6, guide J7-J10)
    legal_moves: ClassVar[LegalMoves]

    @property
    def zone(self) -> ZoneInfo:
        """The account's time zone."""
        return ZoneInfo(self.time_zone)

    def tracking_url_of(self, tracking_number: str) -> str:
        """The default tracking URL of a parcel; empty where the account has no template, or the parcel no number."""
        number = quote(tracking_number, safe="")
        return self.tracking_url.replace("{tracking_number}", number) if number else ""

    @property
    def deadlines(self) -> Deadlines:
        """By when order lines should be accepted and shipped."""
        orders = self.orders
        return Deadlines(orders.accept_within, orders.ship_within, orders.warn_before)

    @property
    def feed_rules(self) -> Mapping[FeedKind, FeedRule]:
        """What its feeds carry and how often they may leave."""
        raise NotImplementedError

    @property
    def item_limits(self) -> ItemLimits | None:
        """What it allows in an item (L4); None where the marketplace takes no items."""
        return None

    @property
    def photo_terms(self) -> PhotoTerms | None:
        """How large photos must be (C6); None where they are not to be looked at."""
        return None

    @property
    def offer_terms(self) -> OfferTerms:
        """What it makes of the seller's figures before they are sent (L6, L10, L11)."""
        rules = self.stock_rules
        return OfferTerms(
            safety_stock=rules.safety,
            percentage=rules.percentage,
            cap=rules.cap,
            threshold=rules.below,
            reserve_open_orders=rules.reserve_open_orders,
            stock_form=self.stock_form,
        )

    def listing_fault(self, sku: Sku, channel_item_id: str) -> str:  # noqa: ARG002 - of this account's listings
        """Why nothing of a listing may be sent, by what is not in its item (J2); empty where it may."""
        return ""

    @property
    def stock_form(self) -> str:
        """What of the account goes into each row of stock beside the rules for its units."""
        return ""

    @property
    def vat_territory(self) -> VatTerritory | None:
        """The list of VAT rates that a listing's own is held against (C4); None where no VAT rate is told."""
        return None

    @property
    def update_answer_wait(self) -> timedelta:
        """How long silence must last before a sent order update counts as done; zero where the reply is the answer."""
        raise NotImplementedError

    @property
    def acknowledges(self) -> bool:
        """Whether every new order is acknowledged by itself (J7)."""
        return False

    @property
    def accepts_in_stock(self) -> bool:
        """Whether an order is accepted by itself when every line is in stock (L13)."""
        return False

    @property
    def accepts_claims(self) -> bool:
        """Whether a request of the marketplace to cancel is accepted by itself before anything has left (J12)."""
        return False

    @property
    def claim_answer_within(self) -> timedelta:
        """How long a request of the marketplace may wait for its answer; zero is no deadline (J12)."""
        return timedelta()

    def objection(self, parcel: Parcel | None = None, reason: str = "") -> str:  # noqa: ARG002 - of this account
        """Why the marketplace would not take a parcel or a reason; empty when it would. Asked when it is decided."""
        return ""

    def explain(self, code: str, text: str) -> Advice | None:  # noqa: ARG002 - of this account's errors
        """What is known of an error that its marketplace tells, None where nobody has said."""
        return None

    @property
    def service_urls(self) -> Mapping[str, str]:
        """Every address of a service by its place in the configuration; none where all goes by files."""
        return {}

    @property
    def sftp_logins(self) -> Mapping[str, SftpTable]:
        """Every SFTP login by its place in the configuration, for `accounts trust` and checks."""
        raise NotImplementedError
