"""What customers and the marketplaces themselves do in the demo: the sandbox's own levers over HTTP."""

import json
from collections.abc import Mapping
from typing import Any

from daemon.cli.demo.snapshot import View
from daemon.errors import Refused
from daemon.transports.http import HttpClient, Reply

_SECONDS = 10.0
_OK = 200


class Levers:
    """The levers of a running sandbox, at `url`."""

    def __init__(self, client: HttpClient, url: str) -> None:
        self._client = client
        self._url = url

    async def state(self) -> View:
        """Everything that the marketplaces know."""
        return _read(await self._client.get(f"{self._url}/state", deadline=_SECONDS))

    async def reject(self, ean: str, text: str) -> None:
        """Let La Redoute turn the next item with this EAN down, with this text."""
        said = {"marketplace": "laredoute", "fault": "reject_ean", "ean": ean, "kind": "items", "text": text}
        await self._post("faults", said | {"code": "E417"})

    async def order(self, marketplace: str, article: str, quantity: int) -> str:
        """Let a customer order units of an article, by EAN or stock number; gives the number of the order."""
        said = {"marketplace": marketplace, "lines": [[article, quantity]]}
        return str((await self._post("orders", said))["number"])

    async def _post(self, path: str, said: Mapping[str, Any]) -> View:
        headers = {"content-type": "application/json"}
        body = json.dumps(said).encode()
        return _read(await self._client.post(f"{self._url}/{path}", headers=headers, body=body, deadline=_SECONDS))


def _read(reply: Reply) -> View:
    if reply.status != _OK:
        raise Refused(f"the sandbox says no: {reply.body.decode('utf-8', 'replace')}", str(reply.status))
    found: View = json.loads(reply.body)
    return found
