"""The README's "By hand", word for word, in a network of its own, where its ports are free."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from .own_network import typed

README = Path(__file__).parents[2] / "README.md"

AFTERWARDS = """
until redis-cli -p 6390 ping; do kill -0 %3; done
redis-cli -p 6390 set patient:1 recovered
redis-cli -p 6390 get patient:1
kill -INT %3
wait %3 && echo "redis ended well"
kill %2 && wait %2 && kill %1 && wait %1 && echo "all ended well"
"""


def _by_hand() -> str:
    """The commands; the last one in the background, as a second terminal would have it."""
    text = README.read_text()
    block = text[text.index("By hand, after `make setup`") :].split("\n\n")[1]
    commands = [line.removeprefix("    ") for line in block.splitlines()]
    assert commands[-1].startswith("casemate run "), commands[-1]
    last = commands[-1].split("  #")[0].rstrip() + " &"
    return "\n".join(["set -em", *commands[:-1], last])


@pytest.mark.skipif(os.getuid() != 0, reason="only root can make a network of its own here")
@pytest.mark.skipif(shutil.which("redis-cli") is None, reason="redis is not installed")
def test_by_hand_works_word_for_word(tmp_path: Path) -> None:
    status, output, errors = typed(_by_hand() + AFTERWARDS, home=tmp_path, folder=tmp_path, seconds=100)
    assert status == 0, output + errors
    told = output.splitlines()
    for line in ("PONG", "OK", "recovered", "redis ended well", "all ended well"):
        assert line in told, output + errors
    assert "Traceback" not in errors
