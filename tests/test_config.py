"""The configuration: read whole, wrong in every way at once, and never a secret in what is told."""

import re
from datetime import timedelta
from pathlib import Path

import asyncssh
import pytest

from daemon.config import JOBS, SITE_JOBS, check, examine, fingerprint, host_keys, load
from daemon.crontab import CRONTAB, SITE_CRONTAB, intervals, site_timetable, timetable
from daemon.errors import ConfigError
from daemon.hostkeys import pin
from daemon.marketplaces.dialects import DIALECTS
from daemon.marketplaces.edge.settings import EdgeSettings
from daemon.model import SITE, AccountName

EXAMPLE = Path(__file__).parent.parent / "config.toml"

LEWIS = """
marketplace = "johnlewis"
standard_delivery_days = 3
sftp = { host = "sftp.example.test", user = "supplier", password = { file = "secret" } }
"""

NEEDED = """
[accounts.laredoute-fr]
marketplace = "laredoute"
vendor_id = "1001"
login = { user = "SELLER1001-1", password = { file = "secret" } }
tokens = { create_items = { file = "secret" }, read_orders = { file = "secret" }, update_orders = { file = "secret" } }
sftp = { host = "sftp.laredoute.example", user = "seller1001", password = { file = "secret" } }

[accounts.johnlewis-gb]
marketplace = "johnlewis"
standard_delivery_days = 3
sftp = { host = "sftp.johnlewis.example", user = "supplier1001", private_key = { file = "secret" } }
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    secret = tmp_path / "secret"
    # It is the password of one login and the private key of another.
    secret.write_bytes(asyncssh.generate_private_key("ssh-ed25519").export_private_key())
    secret.chmod(0o600)
    (tmp_path / "accounts.d").mkdir()
    return tmp_path


def write(folder: Path, text: str, name: str = "config.toml") -> Path:
    path = folder / name
    path.write_text(text, "utf-8")
    return path


def problems(path: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(path)
    return [problem.replace(str(path.parent), "") for problem in caught.value.problems]


def test_the_annotated_example_is_right_and_says_the_defaults(folder: Path) -> None:  # D3
    text = re.sub(r"/etc/sellerd/secrets/[a-z-]+", "secret", EXAMPLE.read_text("utf-8"))
    said = load(write(folder, text))
    needed = load(write(folder, NEEDED, "needed.toml"))

    assert (said.daemon, said.web, said.log) == (needed.daemon, needed.web, needed.log)
    assert said.accounts.keys() == needed.accounts.keys()
    for name, account in said.accounts.items():
        told = {"active", "every", "carriers"}
        assert account.model_dump(exclude=told) == needed.accounts[name].model_dump(exclude=told)
        rows = {job: row.every for job, row in CRONTAB[account.speaks].items()}
        assert account.every in ({}, rows)
    assert said.every == {job: row.every for job, row in SITE_CRONTAB.items()}


def test_the_example_is_all_that_can_be_said_of_the_daemon(folder: Path) -> None:  # D3
    text = EXAMPLE.read_text("utf-8")
    config = load(write(folder, ""))

    for table in (config.daemon, config.web, config.log, config.alerts):
        for key in type(table).model_fields:
            assert f"\n{key} = " in text or f"\n# {key} = " in text, key


def test_accounts_stand_inline_or_in_files_of_their_own(folder: Path) -> None:  # D3
    write(folder / "accounts.d", LEWIS, "jl-two.toml")
    write(folder / "accounts.d", "not a configuration", "notes.txt")
    (folder / "accounts.d" / "secret").write_text("another")
    (folder / "accounts.d" / "secret").chmod(0o600)
    config = load(write(folder, f'[daemon]\nstate_dir = "state"\n[accounts.jl-one]\n{LEWIS}active = false\n'))

    assert (list(config.accounts), list(config.active_accounts)) == (["jl-one", "jl-two"], ["jl-two"])
    assert config.database == folder / "state" / "sellerd.db"
    assert config.socket == folder / "state" / "control.sock"
    one, two = config.accounts.values()
    assert (one.name, one.speaks) == ("jl-one", "edge")
    # a file is named from where it is written
    assert fingerprint(one, {}) != fingerprint(two.model_copy(update={"name": "jl-one", "active": False}), {})


def test_every_problem_of_every_file_is_told_at_once(folder: Path) -> None:  # D3
    write(folder / "accounts.d", 'marketplace = "johnlewis"\nstandard_delivery_days = "soon"\n', "b.toml")
    write(folder / "accounts.d", "marketplace = johnlewis\n", "c.toml")
    write(folder / "accounts.d", LEWIS, "d.toml")
    path = write(
        folder,
        f"""
[daemon]
grase = "30s"
[web]
listen = "8470"
[log]
level = "inform"
[weeb]
[accounts.a]
{LEWIS.replace("supplier", "x").replace('"secret"', '"nowhere"')}
time_zone = "Europe/Londn"
every = {{ ofers = "1h", orders = "1 hour", reports = "1ms" }}
[accounts.d]
{LEWIS}
""",
    )

    assert problems(path) == [
        "/config.toml: daemon.grase is not a key that is known here; did you mean grace?",
        ('/config.toml: web.listen = "8470": write it as address and port, such as "127.0.0.1:8470" or "[::1]:8470"'),
        "/config.toml: log.level = \"inform\": should be 'debug', 'info', 'warning' or 'error'; did you mean info?",
        "/config.toml: weeb is not a key that is known here; did you mean web?",
        (
            "/accounts.d/c.toml: is not TOML: Invalid value (at line 1, column 15); texts stand in quotes, and each key "
            "stands once"
        ),
        f"/accounts.d/d.toml: the account d stands in {path} as well; keep one of the two".replace(str(folder), ""),
        (
            '/config.toml: accounts.a.time_zone = "Europe/Londn": no such time zone in the tz database; did you mean '
            "Europe/London or Europe/Lisbon or Europe/Vienna?"
        ),
        (
            '/config.toml: accounts.a.every.orders = "1 hour": a duration is a text of number and unit, such as "30s", '
            '"15m", "1h", "2d"'
        ),
        "/config.toml: accounts.a.sftp.password: cannot read /nowhere: No such file or directory",
        "/config.toml: accounts.a.every.ofers names no job of this account; did you mean offers?",
        "/accounts.d/b.toml: sftp is missing; add it",
        (
            '/accounts.d/b.toml: standard_delivery_days = "soon": should be a valid integer, unable to parse string as an '
            "integer"
        ),
    ]


@pytest.mark.parametrize(
    ("account", "problem"),
    [
        ("", 'accounts.x.marketplace is missing; add it: marketplace = "laredoute" or "johnlewis"'),
        (
            'marketplace = "johnlewes"',
            (
                'accounts.x.marketplace = "johnlewes" is not one that is known by name; did you mean johnlewis?; for another '
                'one say what it speaks: speaks = "sellr" or "edge"'
            ),
        ),
        (
            'marketplace = "argos"\nspeaks = "egde"',
            'accounts.x.speaks = "egde" is not spoken here; did you mean edge?',
        ),
        (LEWIS + 'name = "y"', 'accounts.x.name is "y", but the account is x; remove it'),
        (LEWIS + 'every = { reports = "1ms" }', "accounts.x.every.reports is shorter than a second; write 1s or more"),
        (LEWIS + 'every = { items = "1h" }', "accounts.x.every.items names no job of this account; there are offers"),
        (LEWIS + 'turn_deadline = "0s"', "accounts.x.turn_deadline: should be greater than 0 seconds"),
        (
            LEWIS + 'order_lookback = "99999999999d"',
            'accounts.x.order_lookback = "99999999999d": longer than a hundred',
        ),
        (
            LEWIS.replace("sftp.example.test", ""),
            'accounts.x.sftp.host = "": write the name or address of the server alone',
        ),
        (
            LEWIS.replace("sftp.example.test", "sftp://sftp.example.test/"),
            'accounts.x.sftp.host = "sftp://sftp.example.test/": write the name or address of the server alone',
        ),
        (
            LEWIS.replace('"secret" } }', '"secret" }, host_keys = ["AAAA"] }'),
            'accounts.x.sftp.host_keys[0] = "AAAA": not a public key in OpenSSH form',
        ),
        (
            LEWIS.replace('password = { file = "secret" }', 'private_key = { file = "no-key" }'),
            "accounts.x.sftp.private_key: not a private key in OpenSSH, PKCS#8 or PEM form",
        ),
        (LEWIS + 'every = "5m"', 'accounts.x.every = "5m": should be a table, with keys of its own'),
        (LEWIS + f"handling_days = {'1' * 5000}", "is not TOML that can be read: Exceeds the limit"),
        (LEWIS + f"x = {'[' * 5000}", "is not TOML that can be read: "),
        (LEWIS.replace("password", "pasword"), "accounts.x.sftp.pasword is not a key that is known here; did you mean"),
    ],
)
def test_one_problem_and_its_fix(folder: Path, account: str, problem: str) -> None:  # D3
    (folder / "no-key").write_text("correct horse", "utf-8")
    (folder / "no-key").chmod(0o600)
    found = problems(write(folder, f"[accounts.x]\n{account}\n"))

    assert any(f"/config.toml: {problem}" in line for line in found), found


def test_a_name_is_fit_for_labels_and_paths(folder: Path) -> None:
    found = problems(write(folder, f'[accounts."a:b"]\n{LEWIS}'))

    assert found == ["/config.toml: 'a:b' cannot be an account's name: use up to 64 letters, digits, - and _"]


def test_no_problem_shows_a_secret(folder: Path) -> None:  # D3
    path = write(
        folder,
        """
[accounts.x]
marketplace = "johnlewis"
standard_delivery_days = 3
pasword = "hunter-1"
sftp = { host = "h", user = "u", password = "hunter-2", pass = "hunter-3", passphrase = { text = "hunter-4" } }
[accounts.y]
marketplace = "laredoute"
vendor_id = "1"
login = "user:hunter-5"
tokens = ["hunter-6"]
sftp = { host = "h", user = "u" }
""",
    )

    found = "\n".join(problems(path))

    assert "hunter" not in found
    assert found.count("a secret is never written here") == 2
    assert "accounts.y.sftp: a login needs password or private_key (or both)" in found


def test_a_file_that_cannot_be_read_is_a_problem(folder: Path) -> None:  # D3
    assert problems(folder / "config.toml") == [
        "/config.toml: cannot be read: No such file or directory; check the path and that the daemon's user may read it"
    ]
    (folder / "config.toml").write_bytes(b"# \xff")
    assert problems(folder / "config.toml") == ["/config.toml: is not UTF-8 text (byte 2); save it as UTF-8"]


@pytest.mark.parametrize("listen", ["127.0.0.1:8470", "[::1]:8470", "localhost:0", "192.0.2.1:8470", "0.0.0.0:8470"])
def test_addresses_are_allowed_where_people_sign_in(folder: Path, listen: str) -> None:  # D5
    assert load(write(folder, f'[web]\nlisten = "{listen}"')).web.listen == listen


@pytest.mark.parametrize("listen", ["8470", "127.0.0.1:http", "example.test:80", "127.0.0.1:70000"])
def test_what_is_no_address_is_refused(folder: Path, listen: str) -> None:  # D5
    assert len(problems(write(folder, f'[web]\nlisten = "{listen}"'))) == 1


@pytest.mark.parametrize(
    ("table", "refused"),
    [
        ('listen = "127.0.0.1:8470"\nauth = "none"', False),
        ('listen = "[::1]:8470"\nauth = "none"', False),
        ('listen = "0.0.0.0:8470"\nauth = "none"', True),
        ('listen = "192.0.2.1:8470"\nauth = "none"', True),
        ('auth = "none"\nproxy = { addresses = ["127.0.0.1"] }', True),
        ("proxy = { addresses = [] }", True),
        ('proxy = { addresses = ["proxy.example.test"] }', True),
        ('hosts = ["https://sellerd.example.test/"]', True),
        ('hosts = ["Sellerd.example.test"]', False),
    ],
)
def test_nobody_is_let_in_unasked_from_outside(folder: Path, table: str, *, refused: bool) -> None:  # S3
    path = write(folder, f"[web]\n{table}")
    if refused:
        assert len(problems(path)) == 1
    else:
        load(path)


def test_passwords_over_plain_http_are_worth_a_word(folder: Path) -> None:  # S3
    path = write(folder, '[web]\nlisten = "192.0.2.1:8470"')
    assert any("takes passwords over plain HTTP" in warning for warning in check(path).warnings)


def test_the_timetable_has_a_row_for_every_job_that_can_be_named() -> None:  # D1
    assert CRONTAB.keys() == JOBS.keys() == DIALECTS.keys()
    for speaks, rows in CRONTAB.items():
        assert tuple(rows) == JOBS[speaks]
    assert tuple(SITE_CRONTAB) == SITE_JOBS


def test_the_site_may_want_a_job_of_its_own_more_often(folder: Path) -> None:  # D1
    config = load(write(folder, '[every]\nhousekeeping = "1h"\n'))

    assert site_timetable(config)["housekeeping"].every == timedelta(hours=1)
    assert intervals(config)[SITE]["housekeeping"] == timedelta(hours=1)
    with pytest.raises(ConfigError, match="every.housekeping names no job of the site; did you mean housekeeping"):
        load(write(folder, '[every]\nhousekeping = "1h"\n'))


def test_where_orders_can_be_cancelled_a_job_of_its_own_sends_that() -> None:  # L14
    for speaks, dialect in DIALECTS.items():
        # `updates` leaves requests to cancel or refund alone, so without `refunds` they would never leave.
        assert bool(dialect.settings.legal_moves.cancels) == ("refunds" in CRONTAB[speaks])


def test_an_account_may_want_a_job_more_often(folder: Path) -> None:  # D1
    config = load(
        write(folder, f'[accounts.x]\n{LEWIS}every = {{ orders = "1m" }}\n[accounts.y]\n{LEWIS}active = false')
    )

    rows = timetable(config)

    assert list(rows) == ["x"]
    assert {job: row.every for job, row in rows[next(iter(rows))].items()} == {
        "offers": timedelta(minutes=15),
        "reports": timedelta(minutes=5),
        "orders": timedelta(minutes=1),
        "updates": timedelta(minutes=10),
        "claims": timedelta(minutes=10),
        "refunds": timedelta(minutes=10),
        "housekeeping": timedelta(days=1),
    }


def test_a_fingerprint_changes_with_a_secret_a_setting_and_a_trusted_key(folder: Path) -> None:  # D10
    path = write(folder, f'[daemon]\nstate_dir = "."\n[accounts.x]\n{LEWIS}')

    def mark() -> str:
        config = load(path)
        (account,) = config.accounts.values()
        return fingerprint(account, host_keys(config, account))

    marks = [mark(), mark()]
    (folder / "secret").write_text("another")
    marks.append(mark())
    path.write_text(path.read_text("utf-8") + "handling_days = 2\n", "utf-8")
    marks.append(mark())
    pin(folder / "known_hosts", "sftp.example.test", 22, "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA==")
    marks.append(mark())

    assert marks[0] == marks[1]
    assert len(set(marks)) == 4


def test_check_tells_problems_or_warnings(folder: Path) -> None:  # D3
    path = write(folder, f'[daemon]\nstate_dir = "."\n[accounts.x]\n{LEWIS}[accounts.y]\n{LEWIS}active = false')

    assert check(path).problems == ()
    assert check(path).warnings == (
        (
            "x: no host key of sftp (sftp.example.test) is trusted, so no connection will be made; "
            "run: sellerd accounts trust x"
        ),
        "y is not active: none of its jobs run",
    )
    path.write_text("[daemn]", "utf-8")
    assert len(check(path).problems) == 1


@pytest.mark.parametrize(("payloads", "warned"), [("30d", False), ("31d", True)])
def test_bytes_that_outlive_the_personal_data_in_them_are_warned_of(
    folder: Path, payloads: str, *, warned: bool
) -> None:  # D3 D12
    retention = f'payload_retention = "{payloads}"\npersonal_data_retention = "30d"\n'
    path = write(folder, f'[daemon]\nstate_dir = "."\n[accounts.x]\n{retention}{LEWIS}')
    assert any("x: payload_retention is longer than" in warning for warning in check(path).warnings) is warned


HARBOUR = """
[profiles.harbour]
currency = "AUD"
time_zone = "Australia/Sydney"
standard_delivery_days = 5
wait_for_marker = false
stock = { columns = ["part_number", "free_stock"], marker = true }

[accounts.harbour-au]
marketplace = "harbour"
handling_days = 2
stock = { max_rows = 100 }
sftp = { host = "sftp.harbour.example", user = "supplier", password = { file = "secret" } }
"""


def test_a_retailer_is_added_by_the_configuration_alone(folder: Path) -> None:  # J15
    account = load(write(folder, HARBOUR)).accounts[AccountName("harbour-au")]
    assert isinstance(account, EdgeSettings)
    assert (account.speaks, account.marketplace, account.profile) == ("edge", "harbour", "harbour")
    assert (account.currency, account.standard_delivery_days, account.handling_days) == ("AUD", 5, 2)
    assert (account.wait_for_marker, account.stock.marker, account.stock.max_rows) == (False, True, 100)
    assert account.folder("order_download").path == "/live/incoming"
    assert examine(folder / "config.toml", "harbour-au") == (account, [])
    assert examine(folder / "config.toml", "nobody") is None


def test_an_account_in_a_file_of_its_own_names_any_retailer_by_its_profile(folder: Path) -> None:  # J15
    write(folder / "accounts.d", LEWIS.replace("johnlewis", "Kaufhaus Süd") + 'profile = "johnlewis"\n', "sued.toml")
    (folder / "accounts.d" / "secret").write_bytes((folder / "secret").read_bytes())
    (folder / "accounts.d" / "secret").chmod(0o600)
    account = load(write(folder, "")).accounts[AccountName("sued")]
    assert (account.speaks, account.marketplace, account.currency) == ("edge", "Kaufhaus Süd", "GBP")


def test_what_is_wrong_with_a_retailer_is_told_once_in_its_own_place(folder: Path) -> None:  # D3 J15
    text = HARBOUR.replace("wait_for_marker = false", "handling_days = -1\nsftp = {}\nhandling_dais = 2")
    text = text.replace("max_rows = 100", "max_rows = 0")
    path = write(folder, text)
    assert sorted(problems(path)) == [
        "/config.toml: accounts.harbour-au.stock.max_rows = 0: should be greater than or equal to 1",
        "/config.toml: profiles.harbour.handling_dais is not a key that is known here; did you mean handling_days?",
        "/config.toml: profiles.harbour.handling_days = -1: should be greater than or equal to 0",
        "/config.toml: profiles.harbour.sftp: it belongs to an account, not to a profile",
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("profiles = 1", "profiles holds tables"),
        ("[profiles]\nharbour = 1", "profiles.harbour is no table"),
        ('[profiles.a]\nextends = "argus"', "profiles.a.extends: no profile 'argus'; did you mean argos?"),
    ],
)
def test_profiles_of_another_form_are_told(folder: Path, text: str, told: str) -> None:  # D3
    (problem,) = problems(write(folder, text))
    assert told in problem


def test_an_account_hears_of_its_own_profile_alone(folder: Path) -> None:  # D3
    path = write(folder, HARBOUR + "\n[profiles.other]\nmarker = 1\n")
    account, told = examine(path, "harbour-au") or (None, ["nothing"])
    assert account is not None
    assert told == []
    assert len(problems(path)) == 1


def test_an_account_in_a_file_of_its_own_hears_what_is_wrong_with_its_retailer(folder: Path) -> None:  # D3
    write(folder / "accounts.d", LEWIS.replace('"johnlewis"', '"other"'), "one.toml")
    (folder / "accounts.d" / "secret").write_bytes((folder / "secret").read_bytes())
    (folder / "accounts.d" / "secret").chmod(0o600)
    path = write(folder, HARBOUR + '\n[profiles.other]\nextends = "johnlewis"\nmarker = 1\n')
    account, told = examine(path, "one") or (None, ["nothing"])
    assert account is None
    assert [problem.replace(str(folder), "") for problem in told] == [
        '/config.toml: profiles.other.marker = 1: should be a text in quotes ("…")'
    ]
    assert len(problems(path)) == 1


def test_one_wrong_profile_leaves_the_others_what_they_are(folder: Path) -> None:  # D3
    path = write(folder, HARBOUR + '\n[profiles.a]\nextends = "b"\n[profiles.b]\nextends = "a"\n[profiles."a b"]\n')
    assert problems(path) == [
        "/config.toml: 'a b' cannot be a profile's name: use up to 64 letters, digits, - and _",
        "/config.toml: profiles.a.extends: it ends where it began: a, b",
    ]
    account, told = examine(path, "harbour-au") or (None, ["nothing"])
    assert account is not None
    assert told == []


def test_the_examples_of_the_page_about_john_lewis_are_right(folder: Path) -> None:  # J15
    page = (EXAMPLE.parent / "docs" / "john-lewis.md").read_text("utf-8")
    examples = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    for name in ("johnlewis", "harbour"):
        examples = [example.replace(f"/etc/sellerd/secrets/{name}", "secret") for example in examples]
    # Those that show tables of the account of the first are put below it.
    alone = [example for example in examples if "marketplace =" in example]
    tables = [example for example in examples if "marketplace =" not in example]
    for example in (*alone, *(alone[0] + table for table in tables)):
        assert load(write(folder, example)).accounts
    harbour = load(write(folder, alone[1])).accounts[AccountName("harbour-au")]
    assert isinstance(harbour, EdgeSettings)
    assert (harbour.marketplace, harbour.updates.shipments) == ("Harbour & Sons", "cumulative")
    assert len(examples) >= 4


def test_a_wrong_job_is_told_beside_other_faults(folder: Path) -> None:  # D3
    path = write(folder, f'[daemon]\ngrase = "1s"\n[every]\nbakcup = "1d"\n[accounts.x]\n{LEWIS.replace("GBP", "gbp")}')
    problems = "; ".join(check(path).problems)
    assert "daemon.grase" in problems
    assert "every.bakcup names no job of the site; did you mean backup?" in problems
