"""An encrypted image from `image protect` to the running program: its key and its secret come from the policy alone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from casemate.cli._home import shield
from casemate.cli.image._opening import opened_image
from casemate.client import pins
from casemate.client.addresses import literal_addresses
from casemate.manifest.build import Built
from casemate.manifest.bundle import launch_bundle
from casemate.simulator.launch import launch
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


def run(installation: Installation, images: Path, word: str, tmp_path: Path) -> tuple[int, str]:
    """The exit status and all that was said."""
    stage = installation.stage
    pin = pins.load(stage.home / "custodians", "main")
    with opened_image(f"oci:{images}:{word}-p") as (read, opened, _), (tmp_path / "said").open("w+") as said:
        layers = {root: str(path) for path, root in opened.readable(read.fetch, None).layers}
        manifest = opened.start.manifest
        bundle = launch_bundle(
            Built(manifest, {}),
            genesis=opened.start.genesis,
            addresses=literal_addresses(pin.url),
            layers=layers,
        )
        started = launch(
            installation.agent,
            shield=shield(),
            host_data=bytes.fromhex(manifest.digest.removeprefix("sha256:")),
            bundle=bundle,
            arguments=[],
            environment={},
            stdio=(0, said.fileno(), said.fileno()),
        )
        with started:
            status = started.wait()
        return status, (tmp_path / "said").read_text()


def test_an_encrypted_image_runs_and_its_next_version_takes_its_place(
    installation: Installation, tmp_path: Path
) -> None:
    policy, images = installation.policy(), tmp_path / "images"
    policy.path.unlink()
    first = protect(policy, images, "one")
    policy.stage.ask("policy", "submit", policy.path, "--as", "alice", "--sealed", str(first["sealed"]))
    assert run(installation, images, "one", tmp_path) == (0, "one\nhunter2\n1000\n")
    second = protect(policy, images, "two")
    assert second["sealed"] is None
    policy.stage.ask("policy", "submit", policy.path, "--as", "alice", "--on-top")
    assert run(installation, images, "two", tmp_path) == (0, "two\nhunter2\n1000\n")
    status, said = run(installation, images, "one", tmp_path)
    assert (status, "workload.manifest" in said) == (67, True)
    verified = policy.stage.ask("image", "verify", f"oci:{images}:two-p", "--policy", policy.path)
    assert verified["content"] is True
    assert b"hunter2" not in policy.path.read_bytes()
