"""Where this user's things are: `$CASEMATE_HOME`, else `~/.local/share/casemate`. And where the shield is."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from casemate.errors import PlatformError, UsageError

__all__ = ["agent_socket", "home", "platform_folder", "shield"]

SHIELD_NAME = "casemate-shield"


def home() -> Path:
    given = os.environ.get("CASEMATE_HOME")
    if given:
        return Path(given).absolute()
    try:
        return Path.home() / ".local" / "share" / "casemate"
    except RuntimeError as error:
        raise UsageError("there is no home folder", remedy="set CASEMATE_HOME") from error


def platform_folder() -> Path:
    return home() / "platform"


def agent_socket() -> Path:
    """Of the simulated platform's agent: `$CASEMATE_AGENT`, else in its folder."""
    given = os.environ.get("CASEMATE_AGENT")
    return Path(given) if given else platform_folder() / "agent.sock"


def shield() -> Path:
    """The shield's binary: `$CASEMATE_SHIELD`, beside this interpreter, or on PATH."""
    given = os.environ.get("CASEMATE_SHIELD")
    beside = Path(sys.executable).parent / SHIELD_NAME
    found = given or (str(beside) if beside.exists() else shutil.which(SHIELD_NAME))
    if not found or not Path(found).exists():
        raise PlatformError(
            "the shield is not installed",
            expected=given or str(beside),
            remedy="run: make setup (or set CASEMATE_SHIELD)",
        )
    return Path(found)
