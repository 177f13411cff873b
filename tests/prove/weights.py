"""What a process holds (memory, open files, threads), and whether it grows (promise P22)."""

import gc
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

#: memory may waver by so much, as allocators do, before it counts as growing
WAVERS_KIB = 4096
#: a file or a thread more may be open at the moment of weighing
WAVERS_FILES, WAVERS_THREADS = 3, 2


@dataclass(frozen=True, slots=True)
class Weight:
    """What a process holds at one moment."""

    memory_kib: int
    files: int
    threads: int


def weigh(pid: int) -> Weight:
    """What a process holds now; raises OSError once it has ended."""
    status = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text("ascii", "replace").splitlines() if line
    )
    return Weight(
        memory_kib=int(status["VmRSS"].split()[0]),
        files=sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir()),
        threads=int(status["Threads"]),
    )


def weigh_ourselves() -> Weight:
    """What this process holds now, without what only waits to be collected."""
    gc.collect()
    return weigh(os.getpid())


def grown(weights: Sequence[Weight], what: str) -> list[str]:
    """What the last third holds more of than the second, beyond what wavers; the first third may still fill up."""
    third = len(weights) // 3
    if third == 0:
        return [f"{what}: weighed only {len(weights)} times"]
    second, last = weights[third : 2 * third], weights[-third:]
    return [
        f"{what}: {name} grew from {before:.1f} to {after:.1f}"
        for name, wavers in (("memory_kib", WAVERS_KIB), ("files", WAVERS_FILES), ("threads", WAVERS_THREADS))
        if (after := median(getattr(each, name) for each in last))
        > (before := median(getattr(each, name) for each in second)) + wavers
    ]
