"""The configuration of an Edge account: folders by label, profile, and mistakes that are told."""

import re
from datetime import date, time, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from daemon.marketplaces.edge.marketplace import Edge
from daemon.marketplaces.edge.profiles import resolved, shipped
from daemon.marketplaces.edge.settings import EdgeSettings, Label, Paths, profile_faults
from daemon.model import ChannelStatus, Deadlines, FeedKind, LineState, Part, Sku, UpdateKind
from daemon.settings import Secret
from tests.marketplaces.edge.account import LOGIN, account

OTHER_LOGIN = {**LOGIN, "host": "stock.example.test"}


def path(settings: EdgeSettings, label: Label) -> str:
    return settings.folder(label).path


def test_the_guides_folders_are_the_default() -> None:  # J1
    settings = account()
    labels: dict[Label, str] = {
        "order_download": "/live/incoming",
        "order_acknowledge": "/live/outgoing",
        "order_shipment": "/live/outgoing",
        "order_cancel": "/live/outgoing",
        "order_refund": "/live/outgoing",
        "cancellation_acknowledgement": "/live/outgoing",
        "cancellation_request": "/live/incoming",
        "stock_update": "/live/inventory",
        "stock_update_error": "/live/inventory/errors",
    }
    assert {label: path(settings, label) for label in labels} == labels
    assert set(labels) == set(Paths.model_fields) - {"update_errors"}
    assert [folder.path for folder in settings.update_error_folders] == ["/live/outgoing", "/live/outgoing/errors"]
    assert (settings.currency, settings.time_zone) == ("GBP", "Europe/London")
    assert account(profile="johnlewis") == settings


@pytest.mark.parametrize(("environment", "root"), [("live", "/live"), ("uat", "/uat"), ("sandbox", "/live")])
def test_the_environment_swaps_the_root(environment: str, root: str) -> None:
    settings = account(environment=environment)
    assert path(settings, "order_download") == f"{root}/incoming"
    assert path(settings, "stock_update_error") == f"{root}/inventory/errors"


def test_a_folder_is_a_path_or_a_table_with_another_login() -> None:
    settings = account(
        paths={
            "order_download": "/Live/Incoming/",
            "stock_update": {"path": "stock", "sftp": OTHER_LOGIN},
            "stock_update_error": {"path": "/errors", "sftp": OTHER_LOGIN},
            "update_errors": ["/live/outgoing", {"path": "failed", "sftp": OTHER_LOGIN}],
        },
        root="/jail",
    )
    assert path(settings, "order_download") == "/Live/Incoming"
    assert path(settings, "order_shipment") == "/jail/outgoing"
    stock = settings.folder("stock_update")
    assert (stock.path, stock.login.host) == ("/jail/stock", "stock.example.test")
    assert [(folder.path, folder.login.host) for folder in settings.update_error_folders] == [
        ("/live/outgoing", "sftp.example.test"),
        ("/jail/failed", "stock.example.test"),
    ]
    assert {place: table.host for place, table in settings.sftp_logins.items()} == {
        "sftp": "sftp.example.test",
        "paths.stock_update.sftp": "stock.example.test",
        "paths.stock_update_error.sftp": "stock.example.test",
        "paths.update_errors.1.sftp": "stock.example.test",
    }


def test_an_empty_root_is_the_servers_own() -> None:
    assert path(account(root=""), "order_download") == "/incoming"
    assert path(account(root="/"), "order_download") == "/incoming"


def test_errors_are_looked_for_beside_every_folder_that_updates_go_to() -> None:
    settings = account(paths={"order_shipment": "/live/tracking"})
    assert [folder.path for folder in settings.update_error_folders] == [
        "/live/outgoing",
        "/live/tracking",
        "/live/outgoing/errors",
        "/live/tracking/errors",
    ]


def test_another_retailer_is_configuration() -> None:  # J15
    settings = account(
        currency="AUD",
        time_zone="Australia/Sydney",
        city_column="shipping_address_2",
        paths={"stock_update": "/live/stock"},
        stock={
            "columns": ["part_number", {"name": "supplier_free_stock", "field": "free_stock"}, {"name": "allocated"}],
            "marker": True,
        },
        updates={"shipments": "cumulative", "sub_status": "Pending"},
    )
    assert [column.name for column in settings.stock.columns] == ["part_number", "supplier_free_stock", "allocated"]
    assert path(settings, "order_download") == "/live/incoming"
    assert settings.stock.answer_wait == timedelta(minutes=30)


def test_each_retailer_has_a_profile_and_a_name_without_one_has_what_all_share() -> None:  # J15
    argos = account(marketplace="argos")
    assert (argos.profile, argos.updates.shipments, argos.updates.test_flag) == ("argos", "cumulative", "N")
    assert path(argos, "cancellation_request") == "/live/incoming"
    other = account(marketplace="harbour", currency="AUD", time_zone="Australia/Sydney")
    assert (other.profile, other.part_number_digits, other.city_column) == ("edge", None, "")
    assert [column.name for column in other.stock.columns] == ["part_number", "free_stock"]
    assert account(marketplace="harbour", profile="johnlewis").part_number_digits == 8


def test_a_profile_stands_on_another() -> None:  # J15
    profiles = resolved(
        {
            "west": {"extends": "east", "marker": ".OK"},
            "east": {"extends": "argos", "paths": {"stock_update": "stock"}},
            "johnlewis": {"handling_days": 2},
        },
        shipped(),
    )
    assert profiles["west"]["paths"]["stock_update"] == "stock"
    assert profiles["west"]["updates"]["shipments"] == "cumulative"
    assert (profiles["johnlewis"]["handling_days"], profiles["johnlewis"]["part_number_digits"]) == (2, 8)
    assert shipped()["johnlewis"].get("handling_days") is None


@pytest.mark.parametrize(
    ("tables", "told"),
    [
        ({"a": {"extends": "argus"}}, "a.extends: no profile 'argus'; did you mean argos?"),
        ({"a": {"extends": "b"}, "b": {"extends": "a"}}, "a.extends: it ends where it began: a, b"),
        ({"a": {"extends": 1}}, "a.extends: write the name of a profile in quotes"),
        (
            {"a": {"extends": "a"}},
            "a.extends: only a shipped profile extends its own name; there are: argos, edge, johnlewis",
        ),
    ],
)
def test_a_profile_that_stands_on_nothing_is_told(tables: dict[str, Any], told: str) -> None:  # D3
    with pytest.raises(ValueError, match=re.escape(told)):
        resolved(tables, shipped())


def test_the_shipped_profiles_are_right_by_themselves() -> None:  # J15
    assert [profile_faults(profile, {}) for profile in shipped().values()] == [[], [], []]
    faults = profile_faults({"sftp": {}, "name": "x", "stock": {"marker": "perhaps"}}, {})
    assert {fault["loc"] for fault in faults} == {("sftp",), ("name",), ("stock", "marker")}


def test_listings_without_a_valid_stock_number_or_product_code_are_faulty() -> None:  # J2 J3
    assert account().listing_fault(Sku("A" * 21), "12345678") == ""
    assert "8 digits" in account().listing_fault(Sku("A"), "1234567")
    by_sku = account(seller_product_code="sku")
    assert by_sku.listing_fault(Sku("A" * 20), "12345678") == ""
    assert "21 characters, and at most 20" in by_sku.listing_fault(Sku("A" * 21), "12345678")


def test_working_days_of_john_lewis_are_those_of_england() -> None:  # J7
    calendar = account().calendar
    assert not calendar.dispatching.works(date(2026, 4, 3))
    assert calendar.delivering == calendar.dispatching
    own = account(
        calendar={
            "working_days": ["sat", "sun"],
            "delivery_days": ["mon"],
            "closed": [date(2026, 12, 24), "2026-12-27"],
            "worked": ["2026-12-28"],
            "cut_off": time(15),
            "holidays": "",
        }
    ).calendar
    assert own.dispatching.cut_off == time(15)
    assert own.dispatching.closed == {date(2026, 12, 24), date(2026, 12, 27)}
    assert own.dispatching.works(date(2026, 12, 28))
    assert own.delivering.weekdays == {"mon"}
    assert not own.delivering.closed
    assert account(calendar={"cut_off": "15:30"}).calendar.cut_off == time(15, 30)


def test_what_goes_into_every_row_of_stock_has_a_form_of_its_own() -> None:  # J3
    forms = {
        settings.stock_form
        for settings in (
            account(),
            account(handling_days=2),
            account(standard_delivery_days=4),
            account(seller_product_code="ean"),
            account(stock={"columns": ["part_number", "free_stock"]}),
        )
    }
    assert len(forms) == 5
    assert account().stock_form == account(calendar={"cut_off": "15:00"}).stock_form


def test_stock_is_all_that_a_feed_carries_and_silence_accepts_it() -> None:  # J4
    rules = account(stock={"answer_wait": "45m"}).feed_rules
    rule = rules[FeedKind.OFFER]
    assert set(rules) == {FeedKind.OFFER}
    assert rule.parts == {Part.STOCK, Part.END}
    assert (rule.needs, rule.ended_needs, rule.needs_price) == (ChannelStatus.ABSENT, ChannelStatus.ABSENT, False)
    assert (rule.one_at_a_time, rule.silence_is_yes) == (False, timedelta(minutes=45))
    assert (rule.interval, rule.patience) == (timedelta(0), timedelta(hours=2))


def test_deadlines_and_a_tracking_url_are_for_every_account() -> None:  # J8
    settings = account(tracking_url="https://track.example.test/{tracking_number}", orders={"ship_within": "24h"})
    assert settings.deadlines == Deadlines(timedelta(hours=24), timedelta(hours=24), timedelta(hours=6))
    assert settings.tracking_url_of("A/1") == "https://track.example.test/A%2F1"
    assert settings.tracking_url_of("") == account().tracking_url_of("A1") == ""


def test_orders_are_acknowledged_before_anything_else() -> None:  # J7
    settings = account()
    assert settings.acknowledges
    assert settings.legal_moves.possible(LineState.NEW) == [UpdateKind.ACKNOWLEDGEMENT]
    assert settings.legal_moves.from_states[UpdateKind.DISPATCH] == {LineState.TO_SHIP}
    assert settings.update_answer_wait == timedelta(minutes=30)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"profile": "johnlewes"}, "did you mean johnlewis?"),
        ({"profile": "harbour"}, "there are: argos, edge, johnlewis"),
        ({"profile": ["x"]}, "profile"),
        ({"paths": {"order_downlaod": "/x"}}, "paths.order_downlaod"),
        ({"carrier": {}}, "carrier"),
        ({"paths": {"order_download": "/live/../etc"}}, 'a folder is a path such as "/live/incoming"'),
        ({"paths": {"order_download": ""}}, "a folder is a path"),
        ({"paths": "/live"}, "paths"),
        ({"root": "live"}, "root"),
        ({"stock": {"columns": ["part_number", "free_stok"]}}, "did you mean free_stock?"),
        ({"stock": {"columns": ["part_number"]}}, "a column must hold free_stock"),
        ({"stock": {"columns": ["part_number", "free_stock", "free_stock"]}}, "named twice: free_stock"),
        ({"stock": {"columns": [{"name": "a", "field": "part_number", "text": "b"}]}}, "not both"),
        ({"updates": {"dispatch_columns": ["quantity", "weight"]}}, "no column can hold"),
        ({"updates": {"acknowledgement_columns": ["quantity"]}}, "a column must hold line_ref"),
        ({"updates": {"supplier_ref": "{ordre}"}}, "only {order} does"),
        ({"stock": {"answer_wait": 30}}, "a duration is a text"),
        ({"standard_delivery_days": -1}, "standard_delivery_days"),
        ({"processed": "../x"}, "processed"),
        ({"after_keeping": "archive"}, "after_keeping"),
        ({"stock": {"max_rows": 0}}, "stock.max_rows"),
        (
            {"stock": {"columns": ["part_number", "free_stock", "back_in_stok_date"]}},
            "did you mean back_in_stock_date?",
        ),
        ({"calendar": {"holidays": "UK"}}, "did you mean GB?"),
        ({"calendar": {"holidays": "GB-ENGL"}}, "did you mean ENG?"),
        ({"calendar": {"working_days": []}}, "calendar.working_days"),
        ({"calendar": {"working_days": ["monday"]}}, "calendar.working_days"),
        ({"calendar": {"cut_off": 15}}, "15:00"),
        ({"calendar": {"cut_off": "3 pm"}}, "15:00"),
        ({"calendar": {"closed": [20261224]}}, "2026-12-24"),
        ({"calendar": {"closed": ["2026-12-24"], "worked": ["2026-12-24"]}}, "both closed and worked"),
        ({"part_number_digits": 0}, "part_number_digits"),
    ],
)
def test_a_mistake_is_told(changes: dict[str, Any], told: str) -> None:  # D3
    with pytest.raises(ValidationError) as caught:
        account(**changes)
    assert told in str(caught.value)


def test_every_mistake_is_told_at_once() -> None:  # D3
    with pytest.raises(ValidationError) as caught:
        account(profile="johnlewes", standard_delivery_days="soon", paths={"order": "/x"})
    assert {problem["loc"] for problem in caught.value.errors()} == {
        ("profile",),
        ("standard_delivery_days",),
        ("paths", "order"),
    }


def test_only_a_table_is_an_account() -> None:
    with pytest.raises(ValidationError):
        EdgeSettings.model_validate("johnlewis")


async def test_a_login_is_not_connected_before_it_is_needed() -> None:
    settings = account(
        sftp={**LOGIN, "password": None, "private_key": Secret("a key")},
        paths={"stock_update": {"path": "stock", "sftp": OTHER_LOGIN}},
    )
    for host_keys in (("ssh-ed25519 AAAA",), {"sftp": ["ssh-ed25519 AAAA"]}):
        await Edge(settings, host_keys=host_keys).aclose()
