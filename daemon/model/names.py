"""What things go by: their names and numbers, an instant of the clocks, and an amount of money."""

from dataclasses import dataclass
from datetime import datetime
from typing import NewType

AccountName = NewType("AccountName", str)
Sku = NewType("Sku", str)
ChannelItemId = NewType("ChannelItemId", str)
OrderNumber = NewType("OrderNumber", str)
FeedId = NewType("FeedId", int)
PayloadId = NewType("PayloadId", int)

#: in the place of an account: what belongs to none, but to the installation as a whole
SITE = AccountName("")


@dataclass(frozen=True, slots=True)
class Moment:
    """What the clocks said at one instant: the wall clock for people, the boot-time clock for the gate (L8).

    `boot_ns` goes on while the machine sleeps and never jumps; it means nothing on another `boot_id`.
    `synchronised` is the kernel's word on whether its wall clock can be trusted.
    """

    at: datetime
    boot_id: str
    boot_ns: int
    synchronised: bool


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in minor units (cents, pence) with its ISO 4217 currency."""

    minor: int
    currency: str
