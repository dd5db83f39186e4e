"""What the custodian is made of: its manifest covers each part that it imports, and it starts from these alone."""

from __future__ import annotations

import subprocess
import sys

from casemate.cli.custodian import _measured

_IMPORTED = """
import sys
import casemate.custodian.__main__
for name in sorted({name.split(".")[1] for name in sys.modules if name.startswith("casemate.")}):
    print(name)
"""


def test_every_part_that_the_custodian_imports_is_measured() -> None:
    done = subprocess.run([sys.executable, "-c", _IMPORTED], capture_output=True, text=True, check=True)
    measured = {room.removesuffix(".py") for room in _measured._ROOMS}
    assert set(done.stdout.split()) <= measured
