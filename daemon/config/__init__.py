"""config.toml and accounts.d/*.toml → one frozen Config, with every problem found in one go (D3)."""

from daemon.config.checking import Checked, check, warnings
from daemon.config.job_names import JOBS, LOCAL_JOBS, SITE_JOBS
from daemon.config.reading import catalogues, examine, load
from daemon.config.tables import (
    BackupTable,
    Config,
    DaemonTable,
    LogTable,
    ProxyTable,
    RetentionTable,
    WebTable,
    split_address,
)
from daemon.config.trusted import fingerprint, host_keys

__all__ = [
    "JOBS",
    "LOCAL_JOBS",
    "SITE_JOBS",
    "BackupTable",
    "Checked",
    "Config",
    "DaemonTable",
    "LogTable",
    "ProxyTable",
    "RetentionTable",
    "WebTable",
    "catalogues",
    "check",
    "examine",
    "fingerprint",
    "host_keys",
    "load",
    "split_address",
    "warnings",
]
