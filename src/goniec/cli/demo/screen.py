"""What the demo shows. Only this room knows how a terminal looks."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

import msgspec
from rich.console import Console
from rich.text import Text

from goniec.cli.demo.tally import Check
from goniec.cli.demo.visitors import VISITED, Step, visitor
from goniec.cli.receiver import Received
from goniec.cli.terminal import shown_body, shown_header

STYLES: Final = {"event": "cyan", "rule": "yellow", "webhook": "green", "so far": "bold"}


class Screen:
    """Prints lines, each with its time and what it is about."""

    def __init__(self) -> None:
        # soft_wrap and not the width of the terminal: a body must stay what it is
        self._console = Console(highlight=False, soft_wrap=True)
        self.shown_in_full = False

    def say(self, text: str = "", style: str = "") -> None:
        """Print a line of text as it is."""
        self._console.print(Text(text, style))

    def event(self, step: Step) -> None:
        """Show an event that was accepted."""
        data = step.event["data"]
        what = data["url"] if step.kind == VISITED else " ".join(str(value) for value in data.values())
        self._line("event", f"{visitor(step.visitor).name}: {step.event['type']} {what}")

    def rule(self, name: str, count: int) -> None:
        """Show that a rule has fired."""
        self._line("rule", f"„{name}” fired" + (f" {count} times" if count > 1 else ""))

    def webhook(self, received: Received) -> None:
        """Show a webhook that arrived; the first one with all its headers and its body."""
        body = msgspec.json.decode(received.body) if received.fault is None else {}
        what = f"„{body.get('name', '')}” about {body.get('email')}"
        self._line("webhook", f"{received.method} {received.target} → {received.status}  {received.fault or what}")
        if not self.shown_in_full and received.fault is None:
            self.shown_in_full = True
            self.say()
            self.say(f"    {received.method} {received.target} HTTP/1.1", "bold")
            for name, value in received.headers:
                self.say(f"    {shown_header(name, value)}", "dim")
            self.say()
            self.say(f"    {shown_body(received.body)}")
            self.say()

    def progress(self, events: int, of: int, fired: int, webhooks: int) -> None:
        """Show how far it is."""
        counts = f"{events:,} of {of:,} events in, {fired:,} rules fired, {webhooks:,} webhooks delivered"
        self._line("so far", counts)

    def totals(self, fired: Mapping[str, int], arrived: Mapping[str, int], seconds: float) -> None:
        """Show what came of it all, by rule and by address."""
        self.say(f"\nAfter {seconds:.1f} s\n", "bold")
        for name, count in fired.items():
            self.say(f"  {count:>7,}  times fired „{name}”")
        self.say()
        for path, count in sorted(arrived.items()):
            self.say(f"  {count:>7,}  webhooks at {path}")
        self.say()

    def verdict(self, checks: Iterable[Check]) -> None:
        """Show what had to hold."""
        for check in checks:
            line = Text("  ")
            line.append("ok     " if check.holds else "WRONG  ", "green" if check.holds else "bold red")
            line.append(check.text)
            self._console.print(line)

    def _line(self, about: str, text: str) -> None:
        line = Text(f"{datetime.now().astimezone():%H:%M:%S}  ", "dim")
        line.append(f"{about:<8} ", STYLES[about])
        line.append(text)
        self._console.print(line)
