"""The config.toml and the secret files of the demo: two accounts at the sandbox, at the pace of a demo."""

import base64
import hashlib
import json
import os
from datetime import timedelta
from pathlib import Path

from daemon.cli.demo.snapshot import View

#: what is an hour at La Redoute (guide L8)
INTERVAL = timedelta(seconds=15)

# Everything comes hundreds of times as often as in earnest. No multiple of the offer job's pace falls just behind the
# interval of the gate, so that a feed that leaves when the gate opens cannot be mistaken for one that a tick sent.
_CONFIG = """\
# Two accounts at the sandbox on this machine. In earnest, leave environment, every, interval, patience, answer_wait and
# urls out: the defaults are right.

[daemon]
state_dir = "state"
grace = "10s"

[web]
listen = "127.0.0.1:{port}"
auth = "none"          # whoever is on this machine may look and act; in earnest people sign in

[accounts.laredoute]
marketplace = "laredoute"
environment = "sandbox"
vendor_id = {vendor_id}
tracking_url = "https://track.example.test/{{tracking_number}}"
login = {{ user = {http_user}, password = {{ file = "secrets/laredoute-login" }} }}
every = {{ items = "2s", offers = "10s", reports = "2s", orders = "2s", updates = "2s", refunds = "2s" }}

[accounts.laredoute.tokens]
create_items = {{ file = "secrets/laredoute-create-items" }}
read_orders = {{ file = "secrets/laredoute-read-orders" }}
update_orders = {{ file = "secrets/laredoute-update-orders" }}

[accounts.laredoute.sftp]
host = {laredoute_host}
port = {laredoute_port}
user = {laredoute_user}
password = {{ file = "secrets/laredoute-sftp" }}

[accounts.laredoute.offers]
interval = "{interval:g}s"
patience = "2m"

[accounts.laredoute.items.safety]
manufacturer = "Exemple SA"
manufacturer_address = "1 rue Basse, 59000 Lille"
manufacturer_email = "contact@maker.example"
manufacturer_country = "FR"

[accounts.laredoute.urls]
items = {items_url}
offers = {offers_url}
orders = {orders_url}

[accounts.johnlewis]
marketplace = "johnlewis"
environment = "sandbox"
standard_delivery_days = 3
every = {{ offers = "2s", reports = "2s", orders = "2s", updates = "2s" }}
stock = {{ answer_wait = "4s" }}
updates = {{ answer_wait = "3s" }}

[accounts.johnlewis.sftp]
host = {johnlewis_host}
port = {johnlewis_port}
user = {johnlewis_user}
password = {{ file = "secrets/johnlewis-sftp" }}
"""


def write_configuration(folder: Path, sandbox: View, port: int) -> None:
    """Write config.toml and the secrets (mode 0600) for the sandbox of this description; health is at `port`."""
    laredoute, johnlewis = sandbox["laredoute"], sandbox["johnlewis"]
    secrets = {
        "laredoute-login": laredoute["http"]["password"],
        "laredoute-create-items": laredoute["items_key"],
        "laredoute-read-orders": laredoute["read_orders_key"],
        "laredoute-update-orders": laredoute["update_orders_key"],
        "laredoute-sftp": laredoute["sftp"]["password"],
        "johnlewis-sftp": johnlewis["sftp"]["password"],
    }
    (folder / "secrets").mkdir(mode=0o700, exist_ok=True)
    for name, text in secrets.items():
        _write(folder / "secrets" / name, text)
    # A JSON string is a TOML string.
    values = {
        "vendor_id": laredoute["vendor_id"],
        "http_user": laredoute["http"]["user"],
        **{name: laredoute[name] for name in ("items_url", "offers_url", "orders_url")},
        **{f"laredoute_{name}": laredoute["sftp"][name] for name in ("host", "port", "user")},
        **{f"johnlewis_{name}": johnlewis["sftp"][name] for name in ("host", "port", "user")},
    }
    texts = {name: json.dumps(value) for name, value in values.items()}
    _write(folder / "config.toml", _CONFIG.format(port=port, interval=INTERVAL.total_seconds(), **texts))


def fingerprint(host_key: str) -> str:
    """The fingerprint of an OpenSSH key line, as `ssh-keygen -l` shows it."""
    digest = hashlib.sha256(base64.b64decode(host_key.split()[1])).digest()
    return f"SHA256:{base64.b64encode(digest).decode('ascii').rstrip('=')}"


def _write(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
