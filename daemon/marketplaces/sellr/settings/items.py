"""Item feeds: how an item is written, and what must, may and should be in it (A4, guide L2, L4, L5)."""

from collections.abc import Mapping
from datetime import timedelta
from difflib import get_close_matches
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from daemon.marketplaces.sellr.settings.forms import ElementName
from daemon.model import ChannelStatus, FeedKind, FeedRule, ItemLimits, Part, PhotoTerms, Safety, SafetyTerms
from daemon.rules import safety
from daemon.settings import Duration, Table


def _safety_field(name: str) -> str:
    if name not in safety.FIELDS:
        near = get_close_matches(name, safety.FIELDS, n=1)
        raise ValueError(f"did you mean {near[0]}?" if near else f"write one of {', '.join(safety.FIELDS)}")
    return name


AttributeCode = Annotated[str, Field(pattern=r"^A\d+$")]
SafetyField = Annotated[str, AfterValidator(_safety_field)]


class VendorElements(Table):
    """Elements added after `VendorId` for what the wire has no known place for (A9, 9); empty leaves one out."""

    sku: ElementName = ""
    master_sku: ElementName = ""
    catalogue_id: ElementName = ""
    manufacturer: ElementName = ""
    manufacturer_part_number: ElementName = ""


class SafetyTable(Table):
    """Who answers for your products, where a listing does not say it (GPSR, consumer rules C9).

    What is told of the maker here counts for listings that name no maker or this one; of the responsible person
    likewise. With `check`, a listing has a warning for what an offer must show and nobody says. La Redoute's attributes
    for these are not public: `attributes` says in which code each goes out, such as
    `{ manufacturer_address = "A9001" }`, and what has none is kept and not sent. `value_code` is what stands in
    AttributeValueCode of these free texts; empty leaves it out.
    """

    check: bool = True
    manufacturer: str = ""
    manufacturer_address: str = ""
    manufacturer_email: str = ""
    manufacturer_country: str = Field(default="", pattern="^([A-Z]{2})?$")
    responsible_name: str = ""
    responsible_address: str = ""
    responsible_email: str = ""
    safety_warnings: str = ""
    attributes: Mapping[SafetyField, AttributeCode] = Field(default_factory=dict)
    value_code: str = ""

    @property
    def terms(self) -> SafetyTerms:
        """The same in the words of the model."""
        return SafetyTerms(Safety(**{name: getattr(self, name) for name in safety.FIELDS}), dict(self.attributes))


class PhotosTable(Table):
    """Whether photos may be looked at where they lie, by `sellerd listings check-photos` (consumer rules C6).

    With `check`, that command asks each URL for its first 256 KiB and reads the size of the picture. `least` and
    `wanted` are pixels on each side: what third parties report as La Redoute's own limits.
    """

    check: bool = False
    least: int = Field(default=400, ge=1)
    wanted: int = Field(default=1200, ge=1)

    @property
    def terms(self) -> PhotoTerms | None:
        """The same in the words of the model; None where photos are not to be looked at."""
        return PhotoTerms(self.least, self.wanted) if self.check else None


class ItemsTable(Table):
    """Item feeds (A4, guide L2, L4, L5). `checksum` is what stands in Media/Checksum: the MD5 of the URL, or nothing.

    An SKU above `sku_max` or a text of the description below `description_min` characters is an error and holds the
    listing back; a title above `title_max`, and a missing attribute of `wanted_attributes`, are warnings.
    """

    patience: Duration = timedelta(hours=24)
    deadline: Duration = timedelta(minutes=10)
    flow_name: str = Field(default="MKP_Products", pattern=r"^\w+$")
    flow_version: str = Field(default="002", pattern=r"^\d+$")
    language: str = Field(default="fr", pattern="^[a-z]{2}$")
    media_encoding: str = "jpg"
    checksum: Literal["url", "none"] = "url"
    sku_max: int = Field(default=32, ge=1)
    title_max: int = Field(default=50, ge=1)
    description_min: int = Field(default=10, ge=0)
    wanted_attributes: tuple[AttributeCode, ...] = ()
    vendor_elements: VendorElements = VendorElements()
    safety: SafetyTable = SafetyTable()
    photos: PhotosTable = PhotosTable()

    @property
    def rule(self) -> FeedRule:
        """Items when they like (L2)."""
        return FeedRule(
            kind=FeedKind.ITEM,
            parts=frozenset({Part.ITEM}),
            needs=ChannelStatus.ABSENT,
            ended_needs=ChannelStatus.ABSENT,
            needs_price=False,
            interval=timedelta(0),
            patience=self.patience,
            deadline=self.deadline,
            one_at_a_time=False,
        )

    @property
    def limits(self) -> ItemLimits:
        """What is allowed in an item (A4, L4)."""
        return ItemLimits(
            self.sku_max,
            self.title_max,
            self.description_min,
            self.wanted_attributes,
            self.safety.terms if self.safety.check else None,
        )
