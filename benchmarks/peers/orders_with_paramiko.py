"""The script that many a seller has: list, fetch each order whose marker is there, one after the other, import all."""

import subprocess
import sys
from pathlib import Path

import paramiko


def main(server, folder, database):
    files = Path(f"{database}.files")
    files.mkdir(exist_ok=True)
    client = paramiko.SSHClient()
    client.load_host_keys(str(server / "known_hosts"))
    client.connect(
        "127.0.0.1",
        int((server / "port").read_text()),
        (server / "user").read_text(),
        key_filename=str(server / "key"),
        allow_agent=False,
        look_for_keys=False,
    )
    sftp = client.open_sftp()
    names = set(sftp.listdir(folder))
    for name in sorted(names):
        if name.endswith(".txt") and f"{name}.DONE" in names:
            sftp.get(f"{folder}/{name}", str(files / name))
    client.close()
    imports = Path(__file__).with_name("orders_with_sqlite_cli.sh")
    subprocess.run(["sh", str(imports), str(files), str(database)], check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
