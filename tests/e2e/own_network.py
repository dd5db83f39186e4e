"""Commands as a person types them, in a network of their own: there the ports that a page names are free."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import casemate

_ALONE = ("unshare", "--net", "--pid", "--fork", "--mount-proc", "--kill-child")
_START = """
import fcntl, os, socket, struct, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
    up = struct.pack("16sh", b"lo", 1)
    fcntl.ioctl(any_socket, 0x8914, up)  # SIOCSIFFLAGS, IFF_UP: netdevice(7)
os.execvp("bash", ["bash", "-c", sys.argv[1]])
"""


def typed(script: str, *, home: Path, folder: Path, seconds: int, first: Path | None = None) -> tuple[int, str, str]:
    """Exit status, output and errors of bash in `folder`; `first` is where programs are looked for first."""
    places = [str(place) for place in (first, Path(sys.executable).parent) if place is not None]
    environment = {
        "PATH": ":".join([*places, os.environ["PATH"]]),
        "PYTHONPATH": str(Path(casemate.__file__).parent.parent),
        "HOME": str(home),
        "NO_COLOR": "1",
    }
    done = subprocess.run(
        [*_ALONE, sys.executable, "-c", _START, script],
        env=environment, cwd=folder, capture_output=True, text=True, check=False, timeout=seconds,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr
