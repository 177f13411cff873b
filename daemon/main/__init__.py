"""Put it together: configuration → store → web → timetable → signals → drain (D1, D4, D6)."""

from daemon.main.exits import STORAGE
from daemon.main.process import main_run, run
from daemon.main.readings import read_snapshot
from daemon.main.setup import open_way

__all__ = ["STORAGE", "main_run", "open_way", "read_snapshot", "run"]
