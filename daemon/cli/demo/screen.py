"""What a person sees: commands and milestones as lines, and on a terminal a picture below them that keeps changing."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from daemon.cli.demo.milestones import Reached, Tally
from daemon.cli.demo.snapshot import JOHNLEWIS, LAREDOUTE, Snapshot, View, instant
from daemon.cli.demo.stage import shown
from daemon.cli.output import shown as one_line

_NAMES = {LAREDOUTE: "La Redoute", JOHNLEWIS: "John Lewis"}
_PARTS = ((LAREDOUTE, "item"), (LAREDOUTE, "stock"), (LAREDOUTE, "price"), (JOHNLEWIS, "stock"))
_STATES = {"pending": "yellow", "sent": "cyan", "not_needed": "green", "error": "red"}
_STATUSES = ("absent", "product_integrated", "offer_integrated")
_FEEDS = 5
_ORDERS = 4


class Screen:
    """Lines for everybody; the picture only where somebody watches, while the `with` block lasts."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def say(self, text: str) -> None:
        """Tell something."""
        self._line(Text(text))

    def typed(self, arguments: Sequence[str]) -> None:
        """Tell which command is run."""
        self._line(Text(f"$ {shown(arguments)}", style="bold"))

    def printed(self, text: str) -> None:
        """Tell what it printed."""
        for line in text.splitlines():
            self._line(Text(f"  {line.expandtabs(4)}", style="dim"))

    def reached(self, reached: Reached) -> None:
        """Tell what was seen for the first time."""
        line = Text.assemble((f"✔ {reached.seconds:5.1f} s  ", "green"), reached.milestone.title)
        self._line(line.append(f": {one_line(reached.evidence)}", style="dim"))

    def fail(self, text: str) -> None:
        """Tell what went wrong."""
        self._line(Text(f"✘ {text}", style="red"))

    def sum_up(self, tally: Tally, checks: Tally) -> None:
        """Tell everything that was seen, and when, and what was not."""
        self.say("\nWhat was seen, in seconds since the start:")
        for reached in tally.reached:
            self.reached(reached)
        if checks.reached:
            self.say("What the marketplaces' own record shows at the end:")
        for reached in checks.reached:
            self.reached(reached)
        for milestone in (*tally.missing, *checks.missing):
            self.fail(f"not seen: {milestone.title}")
        if not tally.missing and not checks.missing:
            self.say(f"All of it was seen, in {tally.reached[-1].seconds:.0f} s.")

    def show(self, snapshot: Snapshot, seconds: float) -> None:
        """Bring the picture up to date."""
        if self._live is not None:
            self._live.update(picture(snapshot, seconds), refresh=True)

    def _line(self, text: Text) -> None:
        self._console.print(text, soft_wrap=True)


def picture(snapshot: Snapshot, seconds: float) -> RenderableType:
    """Everything of one look."""
    health = ("healthy", "green") if snapshot.health.get("ok") else ("not answering", "red")
    title = Text.assemble(f"sellerd · {seconds:.0f} s · ", health)
    whole = Group(
        _listings(snapshot), _channel(snapshot), _gate(snapshot), _feeds(snapshot), _orders(snapshot), _jobs(snapshot)
    )
    return Panel(whole, title=title, title_align="left")


def gate_line(snapshot: Snapshot) -> str:
    """How the gate of La Redoute's stock and price feeds stands, with what it holds."""
    gate = snapshot.closed_gate(LAREDOUTE)
    if gate is None:
        return "open"
    if not gate["until"]:
        return "closed"
    until = instant(gate["until"])
    left = max(until - snapshot.at, timedelta())
    holds = f", holds {', '.join(held)}" if (held := snapshot.held(LAREDOUTE)) else ""
    return f"closed until {until:%H:%M:%S} UTC, {left.total_seconds():.0f} s more{holds}"


def _listings(snapshot: Snapshot) -> Table:
    table = _table("listings", "part", "Pending", "Sent", "Not Needed", "Error", "")
    for account, part in _PARTS:
        counts = {state: len(snapshot.in_state(account, part, state)) for state in _STATES}
        cells = [
            Text(str(count or "·"), style if count else "dim")
            for count, style in zip(counts.values(), _STATES.values(), strict=True)
        ]
        errors = (f"{it['sku']}: {it['parts'][part]['error']}" for it in snapshot.in_state(account, part, "error"))
        table.add_row(_NAMES[account], part, *cells, Text(one_line("; ".join(errors)), style="red"))
    return table


def _channel(snapshot: Snapshot) -> Table:
    table = _table("channel status", "", "channel item ids")
    for account, name in _NAMES.items():
        listings = snapshot.of(account)
        counts = [(status, sum(it["channel_status"] == status for it in listings)) for status in _STATUSES]
        told = ", ".join(f"{count} {status}" for status, count in counts if count)
        ids = ", ".join(f"{it['sku']} {it['channel_item_id']}" for it in listings if it["channel_item_id"])
        table.add_row(name, told, Text(one_line(ids), style="dim"))
    return table


def _gate(snapshot: Snapshot) -> Text:
    told = gate_line(snapshot)
    style = "green" if told == "open" else "yellow"
    words = (("gate", "bold cyan"), "  La Redoute: ", (one_line(told), style))
    return Text.assemble(*words, no_wrap=True, overflow="ellipsis")


def _feeds(snapshot: Snapshot) -> Table:
    table = _table("feeds", "", "kind", "state", "size", "accepted", "rejected", "sent (UTC)")
    for feed in snapshot.feeds[:_FEEDS]:
        sent = _clock(feed["sent_at"])
        counts = [str(feed[name]) for name in ("size", "accepted", "rejected")]
        table.add_row(str(feed["id"]), _NAMES[feed["account"]], feed["kind"], feed["state"], *counts, sent)
    return table


def _orders(snapshot: Snapshot) -> Table:
    table = _table("orders", "", "lines")
    for order in snapshot.orders[:_ORDERS]:
        lines = ", ".join(
            f"{line['quantity']} x {line['sku'] or line['title']}: {line['state']}" for line in order["lines"]
        )
        table.add_row(order["number"], _NAMES[order["account"]], one_line(lines))
    return table


def _jobs(snapshot: Snapshot) -> Table:
    table = _table("jobs", "seconds since each was done last")
    for account, name in _NAMES.items():
        jobs = sorted(snapshot.jobs.get(account, ()), key=lambda job: job["job"] == "housekeeping")
        table.add_row(name, Text("  ").join(_job(job, snapshot.at) for job in jobs))
    return table


def _job(job: View, at: datetime) -> Text:
    if job["failing_since"]:
        return Text(f"{job['job']} failing: {one_line(job['last_error'])}", style="red")
    if job["held_until"] and instant(job["held_until"]) > at:
        return Text(f"{job['job']} held", style="yellow")
    if not job["last_succeeded_at"]:
        return Text(f"{job['job']} …", style="dim")
    age = max(at - instant(job["last_succeeded_at"]), timedelta())
    return Text(f"{job['job']} {age.total_seconds():.0f}", style="green")


def _table(*columns: str) -> Table:
    """A table whose last column gives way where the terminal is narrow."""
    table = Table(box=None, expand=True, pad_edge=False, header_style="bold cyan", padding=(0, 2, 0, 0))
    for column in columns[:-1]:
        table.add_column(column, no_wrap=True)
    table.add_column(columns[-1], no_wrap=True, overflow="ellipsis", ratio=1)
    return table


def _clock(text: str | None) -> str:
    return f"{instant(text):%H:%M:%S}" if text else ""
