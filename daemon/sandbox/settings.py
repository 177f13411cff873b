"""What a sandbox is told: logins, ports, ids and how each far side behaves. Every value is made up."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from daemon.sandbox.inventory import EIGHT_DIGITS, STOCK_COLUMNS


@dataclass(frozen=True, slots=True)
class Login:
    """A user with a password; an SFTP login may carry an OpenSSH public key line that is accepted as well."""

    user: str
    password: str
    authorized_key: str = ""


@dataclass(frozen=True, slots=True)
class LaRedouteSettings:
    """The La Redoute of the sandbox (Sell-R A1 to A9).

    `delay` is the seconds between a feed and its report, an acceptance and its debit, a refund request and the refund;
    None answers only when `answer_now` is called. `answers` says where a retrieval of orders is answered (A9.3),
    `tracking` names the optional children of `ship` after `shipDate` (A9.5), `time_zone` is that of the wire's times
    without a zone (A9.10). With `review` an item feed is answered twice: every good product is pending at first, and
    in the catalogue only when it was looked at. `brands` are those that the seller is authorised for, None is all.
    `jam_within` is the seconds within which a newer offer feed jams an older one that is not answered yet: neither is
    worked off nor answered, ever (guide L8); None never jams.
    """

    http: Login = Login("SELLER1001-1", "sandbox-http")
    sftp: Login = Login("seller1001", "sandbox-sftp")
    sftp_port: int = 0
    vendor_id: str = "1001"
    items_key: str = "sandbox-items-key"
    read_orders_key: str = "sandbox-read-key"
    update_orders_key: str = "sandbox-update-key"
    delay: float | None = 2.0
    report_format: Literal["csv", "xml"] = "csv"
    answers: Literal["reply", "sftp", "both"] = "reply"
    tracking: tuple[str, str, str] = ("carrier", "trackingNumber", "trackingUrl")
    time_zone: str = "Europe/Paris"
    review: bool = False
    brands: frozenset[str] | None = None
    jam_within: float | None = None


@dataclass(frozen=True, slots=True)
class EdgeFolders:
    """The folders of a retailer on The Edge, below the root of an environment (Edge section 1)."""

    incoming: str = "incoming"
    outgoing: str = "outgoing"
    inventory: str = "inventory"
    stock_errors: str = "inventory/errors"


@dataclass(frozen=True, slots=True)
class JohnLewisSettings:
    """The John Lewis of the sandbox (Edge sections 1 to 8), or another retailer on The Edge (section 12).

    `poll_every` is the seconds between two looks into the folders; None looks only when `work_now` is called.
    `accepted` says what becomes of a file that was taken: moved out of the client's sight, or left. `pickup` says when
    a stock file is taken: once its upload is closed, or at once, whole or not (Edge section 8). `known_parts` of None
    takes every stock number of the form `part_form`; `carriers` of None takes every carrier. The three `…_marker` say
    where markers are used: beside orders, beside what the seller sends of orders, and beside stock. `constants` are
    columns of an acknowledgement's lines with the text that they must hold.
    """

    sftp: Login = Login("supplier1001", "sandbox-edge")
    sftp_port: int = 0
    poll_every: float | None = 0.1
    accepted: Literal["remove", "leave"] = "remove"
    pickup: Literal["closed", "at_once"] = "closed"
    shipments: Literal["incremental", "cumulative"] = "incremental"
    stock_columns: Sequence[str] = STOCK_COLUMNS
    known_parts: frozenset[str] | None = None
    carriers: frozenset[str] | None = None
    refund_text: str = "CANCELLED POST-DISPATCH"
    folders: EdgeFolders = EdgeFolders()
    order_marker: bool = True
    update_marker: bool = True
    stock_marker: bool = False
    part_form: str = EIGHT_DIGITS
    constants: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SandboxSettings:
    """A whole sandbox: everything it keeps is under `root`; port 0 lets the system choose."""

    root: Path
    host: str = "127.0.0.1"
    http_port: int = 0
    laredoute: LaRedouteSettings = field(default_factory=LaRedouteSettings)
    johnlewis: JohnLewisSettings = field(default_factory=JohnLewisSettings)
