"""Shell completion knows commands and options, and loads what it must."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = "import sys\nfrom casemate.cli.main import main\nsys.argv = ['casemate', *sys.argv[1:]]\nmain()"


def _casemate(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    known = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment}
    return subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments], env=known, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("casemate ", {"run", "why", "identity", "policy", "manifest", "custodian", "platform"}),
        ("casemate policy ", {"init", "check", "admit", "seal", "submit", "show", "history"}),
        ("casemate policy s", {"seal", "submit", "show"}),
        (
            "casemate custodian attest --",
            {"--url", "--identity", "--runtime", "--pin", "--wait", "--json"},
        ),
    ],
)
def test_bash_is_offered_what_there_is(typed: str, offered: set[str]) -> None:
    words = typed.split(" ")
    done = _casemate(_CASEMATE_COMPLETE="complete_bash", COMP_WORDS=typed, COMP_CWORD=str(len(words) - 1))
    assert done.returncode == 0, done.stderr
    found = set(done.stdout.split())
    assert offered <= found
    assert not {"--version"} & found


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_for_the_shell_can_be_shown(shell: str) -> None:
    shown = _casemate(_CASEMATE_COMPLETE=f"source_{shell}")
    assert shown.returncode == 0, shown.stderr
    assert "_CASEMATE_COMPLETE" in shown.stdout


def test_completion_can_be_installed_for_the_shell_that_runs_it(tmp_path: Path) -> None:
    """The shell is told by its process, so that one is needed; `:` keeps it from replacing itself."""
    command = f"{sys.executable} -c {shlex.quote(SCRIPT)}"
    known = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path)}
    script = f"{command} --install-completion && {command} --show-completion; :"
    done = subprocess.run(["bash", "-c", script], env=known, capture_output=True, text=True, check=True)
    assert "bash completion installed" in done.stdout
    assert "_casemate_completion" in done.stdout
    assert "casemate.sh" in (tmp_path / ".bashrc").read_text()
