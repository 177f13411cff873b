"""The configuration of an account that speaks The Edge (guide J, account)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import timedelta
from difflib import get_close_matches
from typing import Any, ClassVar, Literal, Self, get_args

from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_core import ErrorDetails

from daemon.errors import NotAllowed
from daemon.marketplaces.edge.days import CalendarTable
from daemon.marketplaces.edge.profiles import BARE, Profile, hint, over_profile, shipped
from daemon.model import (
    ChannelStatus,
    FeedKind,
    FeedRule,
    LegalMoves,
    LineState,
    Parcel,
    Part,
    Sku,
    StockExtras,
    UpdateKind,
)
from daemon.rules.listing import part_number_fault
from daemon.settings import AccountSettings, Duration, Secret, SftpTable, Table

_LIVE, _UAT = "/live", "/uat"

#: what a column of the stock file can hold, in our words: the listing's own values, those of the import columns of
#: `StockExtras` last
STOCK_FIELDS = (
    *("part_number", "seller_product_code", "sku", "ean", "lead_time_days", "free_stock"),
    *(field.name for field in fields(StockExtras)),
)
#: what a column of an acknowledgement's items can hold (Edge section 4)
ACKNOWLEDGEMENT_FIELDS = (
    "line_ref",
    "part_number",
    "quantity",
    "comments",
    "sub_status",
    "supplier_dispatch_date",
    "supplier_delivery_date",
    "fulfillment_route",
)
#: what a column of a dispatch's items can hold (Edge section 5)
DISPATCH_FIELDS = (
    "line_ref",
    "part_number",
    "quantity",
    "dispatch_date",
    "supplier_delivery_date",
    "carrier",
    "service",
    "tracking_number",
    "tracking_url",
)
#: what a column of a cancellation acknowledgement's items can hold (Edge section 6b)
CANCELLATION_FIELDS = ("line_ref", "part_number", "quantity", "comments")
#: how long texts may be (Edge sections 4 and 5, the limits of the REST interface)
LONGEST_COMMENT = 255
_LONGEST = {"carrier": 255, "tracking_number": 100, "tracking_url": 255}


class Place(Table):
    """A folder on a server: its path, and its login where it is not the account's own. A bare text is the path.

    A path without a leading slash stands below the root of the environment.
    """

    path: str
    sftp: SftpTable | None = None

    @model_validator(mode="before")
    @classmethod
    def _bare(cls, value: object) -> object:
        return {"path": value} if isinstance(value, str) else value

    @field_validator("path")
    @classmethod
    def _plain(cls, path: str) -> str:
        segments = path.rstrip("/").removeprefix("/").split("/")
        if any(segment in {"", ".", ".."} for segment in segments):
            raise ValueError('a folder is a path such as "/live/incoming", or "incoming" below the root')
        return path.rstrip("/")


@dataclass(frozen=True, slots=True)
class Folder:
    """A place as it is used: the full path and the login that reaches it."""

    path: str
    login: SftpTable


class Paths(Table):
    """The folders by the label that the guide gives them, and where errors of what we sent are looked for (J13)."""

    order_download: Place
    order_acknowledge: Place
    order_shipment: Place
    order_cancel: Place
    order_refund: Place
    cancellation_acknowledgement: Place
    cancellation_request: Place
    stock_update: Place
    stock_update_error: Place
    #: empty: beside the updates themselves, and in the subfolder `errors` there (Edge section 7)
    update_errors: tuple[Place, ...] = ()


Label = Literal[
    "order_download",
    "order_acknowledge",
    "order_shipment",
    "order_cancel",
    "order_refund",
    "cancellation_acknowledgement",
    "cancellation_request",
    "stock_update",
    "stock_update_error",
]


#: the folders that updates of orders are written to
SENT_TO: tuple[Label, ...] = (
    "order_acknowledge",
    "order_shipment",
    "order_cancel",
    "order_refund",
    "cancellation_acknowledgement",
)
#: the folders that the jobs read or write
IN_USE: tuple[Label, ...] = get_args(Label)


class Column(Table):
    """One column of a file that we write: its name there, and either our word for what it holds or a constant text.

    A bare text is both the name and our word.
    """

    name: str = Field(min_length=1)
    field: str = ""
    text: str = ""

    @model_validator(mode="before")
    @classmethod
    def _bare(cls, value: object) -> object:
        return {"name": value, "field": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.field and self.text:
            raise ValueError(f'the column "{self.name}" has a field or a constant text, not both')
        return self


def _checked(columns: tuple[Column, ...], known: tuple[str, ...], needed: tuple[str, ...]) -> tuple[Column, ...]:
    names = [column.name for column in columns]
    if repeated := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"columns named twice: {', '.join(sorted(repeated))}")
    held = {column.field for column in columns if column.field}
    if unknown := sorted(held - set(known)):
        near = get_close_matches(unknown[0], known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
        raise ValueError(f'no column can hold "{unknown[0]}"; {hint}')
    if missing := [field for field in needed if field not in held]:
        raise ValueError(f"a column must hold {' and one '.join(missing)}")
    return columns


class StockTable(Table):
    """The stock file and its errors (J3, J4)."""

    columns: tuple[Column, ...]
    interval: Duration = timedelta(0)
    deadline: Duration = timedelta(minutes=10)
    answer_wait: Duration = timedelta(minutes=30)
    patience: Duration = timedelta(hours=2)
    #: whether a marker follows the stock file too; John Lewis takes it as soon as it appears (Edge section 1)
    marker: bool = False
    #: with more listings than this, several files go out one after the other; none: always one file
    max_rows: int | None = Field(default=None, ge=1)
    #: the longest seller product code that is taken; none: any
    product_code_max: int | None = Field(default=None, ge=1)
    #: columns of an error file that hold the reason, the first one there counts; compared without regard to case
    error_columns: tuple[str, ...] = (
        "error_message",
        "error",
        "errors",
        "message",
        "reason",
        "error_description",
    )

    @field_validator("columns")
    @classmethod
    def _known(cls, columns: tuple[Column, ...]) -> tuple[Column, ...]:
        return _checked(columns, STOCK_FIELDS, ("part_number", "free_stock"))


class UpdatesTable(Table):
    """What is written to acknowledge, dispatch, cancel and refund, and how its answer is known (J7-J10, J13)."""

    answer_wait: Duration = timedelta(minutes=30)
    #: whether a file counts only once its marker stands beside it, ours as well as the errors that answer it
    marker: bool = True
    shipments: Literal["incremental", "cumulative"] = "incremental"
    #: our own order reference: a constant, or a text in which {order} stands for the order number
    supplier_ref: str = "{order}"
    test_flag: str = "n"
    sub_status: str = ""
    fulfillment_route: str = ""
    service: str = ""
    acknowledgement_columns: tuple[Column, ...] = tuple(
        Column(name=name, field=name) for name in ACKNOWLEDGEMENT_FIELDS
    )
    dispatch_columns: tuple[Column, ...] = tuple(Column(name=name, field=name) for name in DISPATCH_FIELDS)
    cancellation_columns: tuple[Column, ...] = tuple(Column(name=name, field=name) for name in CANCELLATION_FIELDS)
    #: the column of a dispatch that says that units are refunded; one that dispatches do not have is put behind them.
    #: Which one John Lewis reads is not known (Edge section 6a): the tracking number is a guess
    refund_column: str = Field(default="tracking_number", min_length=1)
    refund_text: str = Field(default="CANCELLED POST-DISPATCH", min_length=1)

    @field_validator("supplier_ref")
    @classmethod
    def _one_placeholder(cls, text: str) -> str:
        if others := [found for found in re.findall(r"\{[^}]*\}?", text) if found != "{order}"]:
            raise ValueError(f"{others[0]} stands for nothing; only {{order}} does")
        return text

    @field_validator("acknowledgement_columns")
    @classmethod
    def _known_to_acknowledge(cls, columns: tuple[Column, ...]) -> tuple[Column, ...]:
        return _checked(columns, ACKNOWLEDGEMENT_FIELDS, ("line_ref", "quantity"))

    @field_validator("dispatch_columns")
    @classmethod
    def _known_to_dispatch(cls, columns: tuple[Column, ...]) -> tuple[Column, ...]:
        return _checked(columns, DISPATCH_FIELDS, ("line_ref", "quantity"))

    @field_validator("cancellation_columns")
    @classmethod
    def _known_to_cancel(cls, columns: tuple[Column, ...]) -> tuple[Column, ...]:
        return _checked(columns, CANCELLATION_FIELDS, ("line_ref", "quantity"))


class CancellationsTable(Table):
    """What becomes of the retailer's requests to cancel (J12).

    `before_dispatch` accepts a request by itself while nothing of its order was dispatched or is about to be, and it is
    the first about its lines; every other one waits for a person.
    """

    accept: Literal["manual", "before_dispatch"] = "manual"
    #: by when a request should be answered; no deadline of John Lewis is known, so there is none
    answer_within: Duration = timedelta(0)
    #: columns that may hold why, the first that says anything counts; its name is not known (Edge section 6c)
    reason_columns: tuple[str, ...] = ("reason", "reason_code", "cancellation_reason", "comments")


class EdgeSettings(AccountSettings):
    """An account on The Edge. What it does not say, its profile does (J15).

    The profile is that of the marketplace's name where there is one, otherwise `edge`, which has what all retailers
    have in common; `johnlewis`, `argos` and `edge` are shipped, others stand in `[profiles.NAME]`.
    """

    has_test_tree: ClassVar[bool] = True
    legal_moves: ClassVar[LegalMoves] = LegalMoves(
        {
            UpdateKind.ACKNOWLEDGEMENT: frozenset({LineState.NEW}),
            UpdateKind.DISPATCH: frozenset({LineState.TO_SHIP}),
            UpdateKind.CANCELLATION: frozenset({LineState.TO_SHIP}),
            UpdateKind.REFUND: frozenset({LineState.TO_SHIP, LineState.SHIPPED}),
        },
        by_units=frozenset({UpdateKind.DISPATCH, UpdateKind.CANCELLATION, UpdateKind.REFUND}),
        cancels=(UpdateKind.CANCELLATION, UpdateKind.REFUND),
        # The Edge says nothing more of a refund: that it did not object is the last word (J10).
        settled={UpdateKind.REFUND: LineState.REFUNDED},
    )

    speaks: Literal["edge"]
    profile: str = ""
    sftp: SftpTable
    #: the folder below which relative paths stand; not given: `/uat` for the environment uat, otherwise `/live`
    root: str | None = Field(default=None, pattern="^(/.*)?$")
    paths: Paths
    standard_delivery_days: int = Field(ge=0, le=365)
    handling_days: int = Field(default=1, ge=0, le=365)
    calendar: CalendarTable = CalendarTable()
    #: how many digits the retailer's own article number has; none: it is any text
    part_number_digits: int | None = Field(default=None, ge=1, le=20)
    seller_product_code: Literal["none", "sku", "ean"] = "none"
    #: the seller's carrier word → The Edge's; empty: as the seller writes it
    carriers: Mapping[str, str] = Field(default_factory=dict)
    #: the order column that is the city; the other address columns are the street ("" = none is)
    city_column: str = ""
    #: the item column that is the price of one unit, for refunds by amount ("" = none is); a guess (Edge section 3b)
    unit_price_column: str = "cost"
    marker: str = Field(default=".DONE", min_length=1, pattern="^[^/]+$")
    #: whether an order is read only once its marker stands beside it; otherwise once two listings show it the same
    wait_for_marker: bool = True
    after_keeping: Literal["move", "leave", "delete"] = "move"
    #: the subfolder of the download folder that kept orders move to (J14)
    processed: str = Field(default="processed", pattern="^[^/.][^/]*$")
    stock: StockTable
    updates: UpdatesTable = UpdatesTable()
    cancellations: CancellationsTable = CancellationsTable()

    @model_validator(mode="before")
    @classmethod
    def _over_its_profile(cls, account: object, info: ValidationInfo) -> object:
        if not isinstance(account, Mapping):
            return account
        profiles = _profiles(info)
        name = account.get("profile") or account.get("marketplace")
        if not account.get("profile") and name not in list(profiles):
            name = BARE
        # An unknown one is told by its own check, together with every other problem (D3).
        profile = profiles[name] if isinstance(name, str) and name in profiles else profiles[_STAND_IN]
        return over_profile(profile, {**account, "profile": name})

    @field_validator("profile")
    @classmethod
    def _known(cls, name: str, info: ValidationInfo) -> str:
        if name in _profiles(info):
            return name
        raise ValueError(f"no such profile; {hint(name, _profiles(info))}")

    @property
    def feed_rules(self) -> Mapping[FeedKind, FeedRule]:
        """One kind of feed: stock, with an ended listing at 0 (J1, J3); silence answers it (J4)."""
        return {
            FeedKind.OFFER: FeedRule(
                kind=FeedKind.OFFER,
                parts=frozenset({Part.STOCK, Part.END}),
                needs=ChannelStatus.ABSENT,
                ended_needs=ChannelStatus.ABSENT,
                needs_price=False,
                interval=self.stock.interval,
                patience=self.stock.patience,
                deadline=self.stock.deadline,
                one_at_a_time=False,
                needs_channel_item_id=True,
                silence_is_yes=self.stock.answer_wait,
                most=self.stock.max_rows,
                # With a marker, half a file is never taken.
                tearable=not self.stock.marker,
            )
        }

    def listing_fault(self, sku: Sku, channel_item_id: str) -> str:
        """Why no stock of a listing may be sent: its Stock Number, or a product code that is too long (J2)."""
        faults = [part_number_fault(channel_item_id, self.part_number_digits)]
        longest = self.stock.product_code_max
        if self.seller_product_code == "sku" and longest is not None and len(sku) > longest:
            faults.append(
                f"the SKU has {len(sku)} characters, and at most {longest} are taken as the seller's product code"
            )
        return "; ".join(filter(None, faults))

    @property
    def stock_form(self) -> str:
        """What goes into every row of a stock file, whatever the listing says: when it changes, all of it is sent."""
        days = f"{self.handling_days}+{self.standard_delivery_days}"
        columns = ",".join(f"{column.name}={column.field or repr(column.text)}" for column in self.stock.columns)
        return f"{columns};{days};{self.seller_product_code}"

    @property
    def update_answer_wait(self) -> timedelta:
        """How long silence must last before an update counts as taken (J13)."""
        return self.updates.answer_wait

    @property
    def acknowledges(self) -> bool:
        """Every complete order is acknowledged by itself (J7)."""
        return True

    @property
    def accepts_claims(self) -> bool:
        """A request to cancel is accepted by itself before anything of its order has left (J12)."""
        return self.cancellations.accept == "before_dispatch"

    @property
    def claim_answer_within(self) -> timedelta:
        """By when a request to cancel should be answered (J12)."""
        return self.cancellations.answer_within

    def objection(self, parcel: Parcel | None = None, reason: str = "") -> str:
        """Why The Edge would not take a parcel or a comment: the carrier map, what is needed, lengths (J8, J9)."""
        if len(reason) > LONGEST_COMMENT:
            return f"a comment may have {LONGEST_COMMENT} characters, this reason has {len(reason)}"
        if parcel is None:
            return ""
        try:
            said = {
                "carrier": self.carrier(parcel.carrier),
                "tracking_number": parcel.tracking_number.strip(),
                "tracking_url": parcel.tracking_url,
            }
        except NotAllowed as error:
            return str(error)
        if empty := [name for name in ("carrier", "tracking_number") if not said[name]]:
            return f"a dispatch over The Edge needs its {empty[0]}"
        if long := [name for name, most in _LONGEST.items() if len(said[name]) > most]:
            return f"the {long[0]} may have {_LONGEST[long[0]]} characters, this one has {len(said[long[0]])}"
        return ""

    def carrier(self, word: str) -> str:
        """The Edge's word for a carrier; without a map the seller's own. Raises NotAllowed for one not in the map."""
        if not self.carriers:
            return word.strip()
        known = {name.strip().casefold(): theirs for name, theirs in self.carriers.items()}
        theirs = known.get(word.strip().casefold())
        if theirs is not None:
            return theirs
        near = get_close_matches(word, self.carriers, n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        raise NotAllowed(
            f'no carrier "{word}" in the carrier map of the account{hint}; it knows {", ".join(sorted(self.carriers))}'
        )

    @property
    def sftp_logins(self) -> Mapping[str, SftpTable]:
        """The account's own login and those of single folders, by their place in the configuration."""
        logins = {"sftp": self.sftp}
        for label in Paths.model_fields:
            if label == "update_errors":
                continue
            if own := getattr(self.paths, label).sftp:
                logins[f"paths.{label}.sftp"] = own
        for number, place in enumerate(self.paths.update_errors):
            if place.sftp:
                logins[f"paths.update_errors.{number}.sftp"] = place.sftp
        return logins

    def folder(self, label: Label) -> Folder:
        """The folder of a label."""
        return self._folder(getattr(self.paths, label))

    @property
    def update_error_folders(self) -> tuple[Folder, ...]:
        """Where errors of updates are looked for, each once."""
        if self.paths.update_errors:
            return tuple(dict.fromkeys(map(self._folder, self.paths.update_errors)))
        sent_to = dict.fromkeys(map(self.folder, SENT_TO))
        return (*sent_to, *(replace(folder, path=f"{folder.path}/errors") for folder in sent_to))

    def _folder(self, place: Place) -> Folder:
        root = self.root if self.root is not None else _UAT if self.environment == "uat" else _LIVE
        path = place.path if place.path.startswith("/") else f"{root.rstrip('/')}/{place.path}"
        return Folder(path, place.sftp or self.sftp)


#: keys that belong to an account and to no retailer
_ACCOUNTS_OWN = ("marketplace", "speaks", "name", "active", "profile", "sftp")
#: what stands in for a profile that nobody knows, so that only what else is wrong is told
_STAND_IN = "johnlewis"


def _profiles(info: ValidationInfo) -> Mapping[str, Profile]:
    found: Mapping[str, Profile] = (info.context or {}).get("profiles") or shipped()
    return found


def profile_faults(profile: Profile, context: Mapping[str, Any]) -> list[ErrorDetails]:
    """What is wrong with a profile by itself, whatever account stands on it; places are those in the profile."""
    faults: list[ErrorDetails] = [
        {"type": "value_error", "loc": (key,), "msg": "it belongs to an account, not to a profile", "input": None}
        for key in _ACCOUNTS_OWN
        if key in profile
    ]
    pretended = {
        **dict.fromkeys(("marketplace", "speaks", "name", "profile"), BARE),
        "currency": "GBP",
        "time_zone": "UTC",
        "standard_delivery_days": 0,
        "sftp": {"host": BARE, "user": BARE, "password": Secret(BARE)},
    }
    said = {key: value for key, value in profile.items() if key not in _ACCOUNTS_OWN}
    try:
        EdgeSettings.model_validate(over_profile(pretended, said), context={**context, "profiles": shipped()})
    except ValidationError as error:
        faults += error.errors(include_url=False)
    return faults
