"""docs/guides/volumes-in-python.md, word for word."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from .conftest import ENDS_WITHIN, environment

GUIDE = Path(__file__).parents[3] / "docs/guides/volumes-in-python.md"


def test_the_guide_works_word_for_word(tmp_path: Path) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```$", GUIDE.read_text(), re.DOTALL | re.MULTILINE)
    assert len(blocks) >= 7
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(blocks)],
        cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=ENDS_WITHIN, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "volume.rolled_back" in done.stdout
