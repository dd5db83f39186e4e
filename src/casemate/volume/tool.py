"""Asks `casemate-volume` (crates/volume-tool) to do something: a JSON object in, JSON lines out."""

from __future__ import annotations

from typing import Final

from casemate.tool import Listener, Program
from casemate.volume.refusals import refusal

__all__ = ["PROGRAM", "Listener", "ask", "result", "start"]

PROGRAM: Final = Program("casemate-volume", "the volume's program", refusal)
ask, start, result = PROGRAM.ask, PROGRAM.start, PROGRAM.result
