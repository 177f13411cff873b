"""Copy the database while everything goes on, and keep the newest copies (promise P29)."""

from daemon import __version__
from daemon.jobs import Outcome, SiteRun


async def back_up(run: SiteRun) -> Outcome:
    """Make a checked copy of the database in the folder of backups, and remove all but the newest ones."""
    folder, keep = run.config.backups, run.config.backup.keep
    backup = await run.store.backups.create(folder, run.now.at, __version__)
    removed = await run.store.backups.thin_out(folder, keep)
    older = f", {len(removed)} older ones removed" if removed else ""
    return Outcome(done=1, note=f"{backup.path.name}: {backup.size} bytes{older}")
