"""A service whose root is a protected image: from an ordinary image to the program that runs, and what is refused."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from casemate.testing.images import Member, archive, folder, member, write_image
from casemate.testing.stage import Result

from .conftest import BUSYBOX, Installation, Policy

pytestmark = pytest.mark.skipif(not os.path.exists("/dev/fuse"), reason="there is no /dev/fuse")

LAYERS = b"casemate/layers/"
SCRIPT = (
    "cat /greeting && echo patient 7 > /data/record && cat /data/record && echo changed > /greeting && cat /greeting"
)


def _link(name: str, target: str) -> Member:
    return member(name, linkname=target, type=b"2")


BASE = archive(
    *(folder(name) for name in ("bin", "data", "run")),
    member("bin/busybox", Path(BUSYBOX).read_bytes(), 0o755),
    _link("bin/sh", "busybox"),
    _link("bin/cat", "busybox"),
)
TOP = archive(member("greeting", b"good day\n", uid=1000, gid=1000))


@pytest.fixture
def protected(installation: Installation, tmp_path: Path) -> tuple[Policy, Path]:
    """A policy with an authenticated image of its own and the volume `records` at /data; the folder with the image."""
    policy, images = installation.policy(), tmp_path / "images"
    settings = {"Cmd": ["/bin/sh", "-c", SCRIPT], "User": "1000:1000", "Env": ["PATH=/bin"]}
    write_image(images, "1", [BASE, TOP], settings)
    made = policy.stage.ask(
        "image", "protect", f"oci:{images}:1", f"oci:{images}:protected", "--policy", f"{policy.name}#api",
        "--authenticate-only", "--volume", "records:/data",
    )  # fmt: skip
    policy.document["volumes"] = {
        "records": {"root": "hash", "freshness": "strict", "accept_anchor": ["insecure_file"]}
    }
    policy.document["services"]["api"] = {
        "workload": {"manifest": made["manifest"]},
        "runtime": {"measurement": installation.runtime},
        "platforms": ["simulated"],
        "volumes": {"/data": {"volume": "records", "mode": "write"}},
    }
    policy.submit()
    return policy, images


def run(policy: Policy, images: Path, files: Path, **how: Any) -> Result:
    image = ("--image", f"oci:{images}:protected")
    return policy.stage.cli("run", f"{policy.name}#api", *image, f"--volume=/data={files}", **how)


def test_the_image_runs_with_its_volume_and_the_host_sees_no_change(
    protected: tuple[Policy, Path], tmp_path: Path
) -> None:
    policy, images = protected
    before = {path: path.read_bytes() for path in images.rglob("*") if path.is_file()}
    for _ in range(2):
        told = run(policy, images, tmp_path / "files")
        assert (told.status, told.output) == (0, "good day\npatient 7\nchanged\n"), told.errors
    assert before == {path: path.read_bytes() for path in images.rglob("*") if path.is_file()}


def layers_of(images: Path) -> list[Path]:
    found = [blob for blob in (images / "blobs" / "sha256").iterdir() if blob.read_bytes()[1024:].startswith(LAYERS)]
    assert found
    return found


def test_an_altered_layer_never_runs(protected: tuple[Policy, Path], tmp_path: Path) -> None:
    policy, images = protected
    for blob in layers_of(images):
        data = blob.read_bytes()
        blob.write_bytes(bytes(byte ^ 1 if at >= 8192 and at % 4096 == 0 else byte for at, byte in enumerate(data)))
    told = run(policy, images, tmp_path / "files")
    assert (told.status, told.output) == (65, ""), told.errors
    assert "is not what its root binds" in told.errors


def test_a_start_does_not_wait_until_all_is_read(protected: tuple[Policy, Path], tmp_path: Path) -> None:
    """What nobody reads is not verified either: a byte behind the layer, which nothing binds, is not looked at."""
    policy, images = protected
    for blob in layers_of(images):
        data = bytearray(blob.read_bytes())
        data[-1] ^= 1
        blob.write_bytes(data)
    told = run(policy, images, tmp_path / "files")
    assert told.status == 0, told.errors


def test_another_image_is_another_workload(
    protected: tuple[Policy, Path], installation: Installation, tmp_path: Path
) -> None:
    policy, images = protected
    shutil.rmtree(images)
    write_image(images, "1", [BASE], {"Cmd": ["/bin/cat", "/data/record"], "User": "1000:1000"})
    policy.stage.ask(
        "image", "protect", f"oci:{images}:1", f"oci:{images}:protected", "--policy", f"{policy.name}#api",
        "--authenticate-only", "--volume", "records:/data",
    )  # fmt: skip
    told = run(policy, images, tmp_path / "files")
    assert (told.status, told.output) == (67, ""), told.errors
    other = installation.policy().name
    named = policy.stage.cli("run", f"{other}#api", "--image", f"oci:{images}:protected")
    assert "the image is for something else" in named.errors
