"""The names of the jobs: what `every` of an account or of the site may name. When each comes, crontab.py says."""

from collections.abc import Mapping

from daemon.marketplaces.dialects import DIALECTS

#: The jobs of an account by what it speaks: what its `every` may name.
JOBS: Mapping[str, tuple[str, ...]] = {wire: dialect.jobs for wire, dialect in DIALECTS.items()}

#: Those of them that never speak to the marketplace: they go on while the account waits for a person (D10).
LOCAL_JOBS = frozenset({"exchange", "housekeeping"})

#: The jobs that belong to no account: what `[every]` may name.
SITE_JOBS: tuple[str, ...] = ("alerts", "webhooks", "ping", "housekeeping", "backup")
