"""Looking up hosts by name: in threads, and enough of them that one whose name server is dead holds up no other."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

#: look-ups at the same time. The system's own, which cannot be cut short, goes on for 10 s or more after our deadline;
#: with the few threads that a loop has by itself, a handful of names that nobody answers keep every account waiting.
LOOK_UPS = 64


def look_up_side_by_side() -> None:
    """Give the running loop its threads; they are made when needed, and end with the loop."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(LOOK_UPS, "names"))
