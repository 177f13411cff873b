"""One turn of the job that downloads orders: `python -m benchmarks.turn LOGIN FOLDER DATABASE CLOCK`.

LOGIN is a folder with the files port, user, key, host_key and in_flight. What lies in FOLDER there is listed, fetched,
parsed, checked and kept in DATABASE with its bytes; nothing is moved. In the file CLOCK it leaves how many seconds that
took.
"""

import sys
import time
from pathlib import Path

import anyio

from benchmarks.accounts import LEWIS, MOMENT, NOW, johnlewis
from daemon.jobs import Run
from daemon.jobs.orders import download_orders
from daemon.marketplaces.edge.marketplace import Edge
from daemon.marketplaces.edge.settings import EdgeSettings
from daemon.settings import Secret, SftpTable
from daemon.store import open_store


def account(login: Path, folder: Path) -> EdgeSettings:
    """The account whose orders lie there."""
    table = SftpTable(
        host="127.0.0.1",
        port=int((login / "port").read_text()),
        user=(login / "user").read_text(),
        private_key=Secret((login / "key").read_text()),
        in_flight=int((login / "in_flight").read_text()),
        host_keys=((login / "host_key").read_text(),),
    )
    return johnlewis(sftp=table, after_keeping="leave", paths={"order_download": str(folder)})


async def turn(settings: EdgeSettings, database: Path) -> float:
    """The turn; gives its seconds, from the login to the end."""
    marketplace = Edge(settings)
    async with open_store(database) as store:
        await store.accounts.configure(LEWIS, "johnlewis", "f", NOW)
        started = time.perf_counter()
        outcome = await download_orders(Run(settings, MOMENT, store, marketplace, lambda: MOMENT))
        took = time.perf_counter() - started
    await marketplace.aclose()
    print(outcome)
    return took


if __name__ == "__main__":
    at, folder_there, kept_in, clock = map(Path, sys.argv[1:])
    clock.write_text(str(anyio.run(turn, account(at, folder_there), kept_in)))
