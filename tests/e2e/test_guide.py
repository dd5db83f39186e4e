"""The guide "Your first protected image", its ten minutes word for word, in a network of its own."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from casemate.testing.engine import MISSING, engine, is_there

from .own_network import typed

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "first-protected-image.md"
FOREGROUND = ("casemate run ", "podman run ")
"""What a person leaves in a terminal and stops there."""
REFUSED = "casemate image verify oci:stolen"

READY = "until redis-cli -p 6391 ping; do kill -0 $!; sleep 0.05; done"
ENDED = "until ! redis-cli -p 6391 ping; do sleep 0.05; done"


def script() -> str:
    """The lines of "Ten minutes", with what a person does between them."""
    text = GUIDE.read_text()
    section = text[text.index("## Ten minutes") : text.index("## From an image")]
    lines = ["set -em"]
    serving = False
    for line in (line.removeprefix("    ") for line in section.splitlines() if line.startswith("    ")):
        if line.startswith(FOREGROUND):
            lines += [f"{line} &", "server=$!", READY]
            serving = line.startswith("casemate run ")
        elif line.startswith(REFUSED):
            lines.append(f"{line} && exit 9 || echo verify ended with $?")
        else:
            lines.append(line)
        if serving and line.startswith("redis-cli"):
            lines += ["kill -INT $server", "wait $server", ENDED]  # Ctrl-C
            serving = False
    assert len(lines) > 20, "the guide has other lines than this test knows"
    return "\n".join([*lines, "wait $server", "kill %2; kill %1; wait; echo the end"])


@pytest.mark.skipif(os.getuid() != 0, reason="only root can make a network of its own here")
@pytest.mark.skipif(shutil.which("redis-cli") is None, reason="redis is not installed")
@pytest.mark.skipif(not is_there(), reason=MISSING)
@pytest.mark.skipif(not os.path.exists("/dev/fuse"), reason="there is no /dev/fuse")
def test_ten_minutes_are_as_the_guide_says(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    with engine(tmp_path / "engine") as podman:
        # `podman` alone, as people type it, with storage of its own.
        (tmp_path / "bin").mkdir()
        wrapper = tmp_path / "bin" / "podman"
        wrapper.write_text(
            f'#!/bin/sh\nexport CONTAINERS_CONF="{podman.folder}/containers.conf"\nexec "{shutil.which("podman")}" '
            f'--root "{podman.storage}" --runroot "{podman.state}" --storage-driver vfs "$@"\n'
        )
        wrapper.chmod(0o755)
        _, output, errors = typed(
            script(), home=tmp_path, folder=tmp_path / "work", seconds=300, first=tmp_path / "bin"
        )
    told = output.splitlines()
    assert told[-1:] == ["the end"], output + errors
    assert {"OK", "nothing to be seen", "verify ended with 101"} <= set(told), output + errors
    assert "Traceback" not in errors
