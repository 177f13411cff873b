"""/livez, /readyz and /healthz (D5): 503 only when the process itself cannot do its work."""

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from daemon.web.metrics import CONTENT_TYPE, render
from daemon.web.state import Watched


def routes(watched: Watched) -> list[Route]:
    """The addresses at which a daemon says how it is; nothing can be changed there."""

    async def livez(_: Request) -> Response:
        # That this line runs is the answer: the loop turns.
        return PlainTextResponse("ok\n")

    async def readyz(_: Request) -> Response:
        reasons = await watched.hindrances()
        text = "\n".join(reasons) or "ok"
        return PlainTextResponse(f"{text}\n", 503 if reasons else 200)

    async def healthz(_: Request) -> Response:
        verdict = await watched.health()
        return JSONResponse(verdict.as_json(), 200 if verdict.ok else 503, headers={"cache-control": "no-store"})

    async def metrics(_: Request) -> Response:
        # A line for each job and state: of some thousand accounts there are enough to hold the loop up.
        content = await to_thread.run_sync(render, await watched.health(), await watched.figures())
        return Response(content, media_type=CONTENT_TYPE)

    return [
        Route("/livez", livez),
        Route("/readyz", readyz),
        Route("/healthz", healthz),
        Route("/metrics", metrics),
    ]
