"""The programs that people write or install instead."""

from pathlib import Path

PEERS = Path(__file__).parent
