"""How the demo looks: one block a scene, readable without colour."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

from rich.console import Console
from rich.markup import escape
from rich.rule import Rule

__all__ = ["Outcome", "Screen"]

_WIDTH = 110


@dataclass(frozen=True)
class Outcome:
    """What an attack tried, what came of it and why. `held` is whether Casemate's promise held."""

    tried: str
    happened: str
    why: str
    held: bool


class Screen:
    def __init__(self) -> None:
        self._console = Console(width=_WIDTH, highlight=False)

    def chapter(self, title: str) -> None:
        self._console.print()
        self._console.print(Rule(f"[bold]{escape(title)}[/]", align="left", style="cyan"))

    def step(self, text: str, detail: str = "") -> None:
        self._console.print(f"  [green]•[/] {escape(text)}" + (f"  [dim]{escape(detail)}[/]" if detail else ""))

    def attack(self, letter: str, title: str, outcome: Outcome) -> None:
        mark = "[green]held[/]" if outcome.held else "[bold red]BROKEN[/]"
        self._console.print(f"\n  [bold]({letter}) {escape(title)}[/]  {mark}")
        self._block("tried", outcome.tried)
        self._block("happened", outcome.happened)
        self._block("why", outcome.why)

    def plain(self, text: str) -> None:
        self._console.print(escape(text))

    def _block(self, label: str, text: str) -> None:
        lines = textwrap.wrap(" ".join(text.split()), _WIDTH - 18, break_on_hyphens=False) or [""]
        for number, line in enumerate(lines):
            self._console.print(f"      [dim]{label if number == 0 else '':>8}[/]  {escape(line)}", soft_wrap=True)
