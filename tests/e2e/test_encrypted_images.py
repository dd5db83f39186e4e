"""An encrypted image from `image protect` to the running program: its key and its secret come from the policy alone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from casemate.testing.images import archive, folder, member, write_image

from .conftest import BUSYBOX, Installation, Policy

pytestmark = pytest.mark.skipif(not os.path.exists("/dev/fuse"), reason="there is no /dev/fuse")

BASE = archive(
    folder("bin"),
    member("bin/busybox", Path(BUSYBOX).read_bytes(), 0o755),
    folder("etc"),
    member("etc/passwd", b"app:x:1000:1000::/home/app:/bin/sh\n"),
)
SETTINGS = {
    "Cmd": ["busybox", "sh", "-c", "busybox cat /srv/word; echo $DB_PASSWORD; busybox id -u"],
    "User": "app",
    "Env": ["PATH=/bin", "DB_PASSWORD=hunter2"],
}


def protect(policy: Policy, images: Path, word: str) -> dict[str, object]:
    top = archive(folder("srv"), member("srv/word", f"{word}\n".encode()))
    write_image(images, word, [BASE, top], SETTINGS)
    return policy.stage.ask(
        "image", "protect", f"oci:{images}:{word}", f"oci:{images}:{word}-p", "--policy", f"{policy.name}#api",
        "--policy-out", policy.path, "--as", "alice",
    )  # fmt: skip


def run(policy: Policy, images: Path, word: str) -> tuple[int, str]:
    """The exit status and all that was said."""
    told = policy.stage.cli("run", f"{policy.name}#api", "--image", f"oci:{images}:{word}-p")
    return told.status, told.output + told.errors


def test_an_encrypted_image_runs_and_its_next_version_takes_its_place(
    installation: Installation, tmp_path: Path
) -> None:
    policy, images = installation.policy(), tmp_path / "images"
    policy.path.unlink()
    first = protect(policy, images, "one")
    policy.stage.ask("policy", "submit", policy.path, "--as", "alice", "--sealed", str(first["sealed"]))
    assert run(policy, images, "one") == (0, "one\nhunter2\n1000\n")
    second = protect(policy, images, "two")
    assert second["sealed"] is None
    policy.stage.ask("policy", "submit", policy.path, "--as", "alice", "--on-top")
    assert run(policy, images, "two") == (0, "two\nhunter2\n1000\n")
    status, said = run(policy, images, "one")
    assert (status, "workload.manifest" in said) == (67, True)
    verified = policy.stage.ask("image", "verify", f"oci:{images}:two-p", "--policy", policy.path)
    assert verified["content"] is True
    assert b"hunter2" not in policy.path.read_bytes()
