"""The database: one file per table family, SQL inside the method that runs it, each method one transaction."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from anyio import Lock

from daemon.model import AccountName
from daemon.store.accounts import Accounts
from daemon.store.alerts import Alerts
from daemon.store.answers import Answers
from daemon.store.audit import Audit
from daemon.store.backups import Backups
from daemon.store.claims import Claims
from daemon.store.codes import Codes
from daemon.store.database import Database, open_database, open_for_reading
from daemon.store.deliveries import Deliveries
from daemon.store.erasures import Erasures
from daemon.store.facts import Facts
from daemon.store.feeds import Feeds
from daemon.store.folders import Folders
from daemon.store.guard_cases import Guard
from daemon.store.items import Items
from daemon.store.listings import Listings
from daemon.store.orders import Orders
from daemon.store.overview import Overview
from daemon.store.pauses import Pauses
from daemon.store.payloads import Payloads
from daemon.store.promotions import Promotions
from daemon.store.reference import ReferenceData
from daemon.store.rehearsals import Rehearsals
from daemon.store.rejections import Rejections
from daemon.store.requests import Requests
from daemon.store.retention import Retention
from daemon.store.runs import Runs
from daemon.store.snapshots import Snapshots
from daemon.store.stock import Stock
from daemon.store.updates import Updates
from daemon.store.users import Sessions, SignIns, Tokens, Users
from daemon.store.values import Values
from daemon.store.views import Views
from daemon.store.webhooks import Webhooks

__all__ = ["Store", "open_store", "read_store"]


class Store:
    """Everything that sellerd remembers, family by family."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._importing: dict[AccountName, Lock] = {}
        self.accounts = Accounts(database)
        self.alerts = Alerts(database)
        self.answers = Answers(database)
        self.audit = Audit(database)
        self.backups = Backups(database)
        self.claims = Claims(database)
        self.codes = Codes(database)
        self.deliveries = Deliveries(database)
        self.erasures = Erasures(database)
        self.facts = Facts(database)
        self.feeds = Feeds(database)
        self.folders = Folders(database)
        self.guard = Guard(database)
        self.items = Items(database)
        self.listings = Listings(database)
        self.orders = Orders(database)
        self.overview = Overview(database)
        self.pauses = Pauses(database)
        self.payloads = Payloads(database)
        self.promotions = Promotions(database)
        self.reference = ReferenceData(database)
        self.rehearsals = Rehearsals(database)
        self.rejections = Rejections(database)
        self.requests = Requests(database)
        self.retention = Retention(database)
        self.runs = Runs(database)
        self.sessions = Sessions(database)
        self.sign_ins = SignIns(database)
        self.snapshots = Snapshots(database)
        self.stock = Stock(database)
        self.tokens = Tokens(database)
        self.updates = Updates(database)
        self.users = Users(database)
        self.values = Values(database)
        self.views = Views(database)
        self.webhooks = Webhooks(database)

    def importing(self, account: AccountName) -> Lock:
        """Held while a batch of rows goes in: two at a time would each fill their gaps from before the other."""
        return self._importing.setdefault(account, Lock())


@asynccontextmanager
async def open_store(path: Path) -> AsyncIterator[Store]:
    """Open the database for writing as its only owner; raises StoreError when that cannot be."""
    async with open_database(path) as database:
        yield Store(database)


@asynccontextmanager
async def read_store(path: Path) -> AsyncIterator[Store]:
    """Open the database for questions, beside whoever owns it; raises StoreError when there is none."""
    async with open_for_reading(path) as database:
        yield Store(database)
