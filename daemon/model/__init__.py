"""The words of the trade as values: accounts, listings, feeds, answers, orders, deliveries. Nothing here does I/O.

A file for each subject; all are imported from here, so that a word keeps its place when a subject is cut anew.
Instants (`…_at`) are UTC and aware; money is an integer of minor units with its currency; EANs, postcodes, line
references and stock numbers are text, always.
"""

from daemon.model.claims import CancellationRequest, ClaimLine, ClaimState
from daemon.model.deliveries import Delivery, RemoteFile
from daemon.model.feeds import Advice, AnswerLine, Feed, FeedKind, FeedObject, FeedRule, FeedState
from daemon.model.items import Attribute, Item, ItemLimits, Photo, PhotoTerms, Safety, SafetyTerms
from daemon.model.listings import (
    ERROR_NAMES,
    ChannelStatus,
    Levies,
    ListingFault,
    Part,
    Promotion,
    Sale,
    StockExtras,
    StockKnobs,
    SyncState,
)
from daemon.model.names import SITE, AccountName, ChannelItemId, FeedId, Moment, Money, OrderNumber, PayloadId, Sku
from daemon.model.orders import Customer, Deadlines, LineState, Order, OrderFault, OrderLine, Severity, Timeliness
from daemon.model.terms import GuardTerms, OfferTerms, VatTerritory
from daemon.model.updates import (
    LegalMoves,
    OrderUpdate,
    Parcel,
    UpdateAnswer,
    UpdateKind,
    UpdateLine,
    UpdateState,
    Whereabouts,
)
from daemon.model.usual_rows import Amount, Count, Extra, Promoted, Rate, UsualRow, Words

__all__ = [
    "ERROR_NAMES",
    "SITE",
    "AccountName",
    "Advice",
    "Amount",
    "AnswerLine",
    "Attribute",
    "CancellationRequest",
    "ChannelItemId",
    "ChannelStatus",
    "ClaimLine",
    "ClaimState",
    "Count",
    "Customer",
    "Deadlines",
    "Delivery",
    "Extra",
    "Feed",
    "FeedId",
    "FeedKind",
    "FeedObject",
    "FeedRule",
    "FeedState",
    "GuardTerms",
    "Item",
    "ItemLimits",
    "LegalMoves",
    "Levies",
    "LineState",
    "ListingFault",
    "Moment",
    "Money",
    "OfferTerms",
    "Order",
    "OrderFault",
    "OrderLine",
    "OrderNumber",
    "OrderUpdate",
    "Parcel",
    "Part",
    "PayloadId",
    "Photo",
    "PhotoTerms",
    "Promoted",
    "Promotion",
    "Rate",
    "RemoteFile",
    "Safety",
    "SafetyTerms",
    "Sale",
    "Severity",
    "Sku",
    "StockExtras",
    "StockKnobs",
    "SyncState",
    "Timeliness",
    "UpdateAnswer",
    "UpdateKind",
    "UpdateLine",
    "UpdateState",
    "UsualRow",
    "VatTerritory",
    "Whereabouts",
    "Words",
]
