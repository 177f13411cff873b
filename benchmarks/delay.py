"""A TCP line that delays each direction and limits nothing else: `python -m benchmarks.delay PORT MILLISECONDS`.

It listens on a loopback port, says which on its first line, and carries every connection to PORT of this machine.
"""

import asyncio
import sys
from asyncio import StreamReader, StreamWriter

_PIECE = 256 << 10


async def carry(delay: float, source: StreamReader, target: StreamWriter) -> None:
    """Hand on what comes, each piece `delay` seconds after it came, however much comes meanwhile."""
    loop = asyncio.get_running_loop()
    on_its_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def deliver() -> None:
        while True:
            due, piece = await on_its_way.get()
            await asyncio.sleep(max(0.0, due - loop.time()))
            if not piece:
                target.close()
                return
            target.write(piece)

    delivering = asyncio.create_task(deliver())
    try:
        while piece := await source.read(_PIECE):
            on_its_way.put_nowait((loop.time() + delay, piece))
    except ConnectionError:
        pass  # the other end left; what it sent before arrives all the same
    on_its_way.put_nowait((loop.time() + delay, b""))
    await delivering


async def serve(port: int, milliseconds: float) -> None:
    """Carry connections until the process is ended."""

    async def connected(reader: StreamReader, writer: StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        delay = milliseconds / 1000
        await asyncio.gather(carry(delay, reader, far_writer), carry(delay, far_reader, writer), return_exceptions=True)

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), float(sys.argv[2])))
