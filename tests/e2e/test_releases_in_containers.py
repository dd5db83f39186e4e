"""Admitting by release where a container engine starts the image: its statements come in it, or in a mounted folder."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from casemate.policy import edit
from casemate.testing.engine import MISSING, Engine, engine, is_there, shield_arguments
from casemate.testing.images import archive, folder, member, write_image
from casemate.testing.stage import Result

from .conftest import BUSYBOX, Installation, Policy

pytestmark = [
    pytest.mark.skipif(not is_there(), reason=MISSING),
    pytest.mark.skipif(not os.path.exists("/dev/fuse"), reason="there is no /dev/fuse"),
]

RELEASED: dict[str, Any] = {"release": "acme/word", "at_least": "1.4", "signed_by": {"any": ["alice"]}}
BASE = archive(folder("bin"), member("bin/busybox", Path(BUSYBOX).read_bytes(), 0o755))


@dataclass
class Released:
    installation: Installation
    policy: Policy
    podman: Engine
    images: Path

    def protect(self, word: str) -> None:
        write_image(self.images, word, [BASE], {"Cmd": ["/bin/busybox", "echo", word], "User": "1000:1000"})
        self.policy.stage.ask(
            "image", "protect", self.image(word), self.image(f"{word}-p"), "--policy", f"{self.policy.name}#api",
            "--policy-out", self.policy.path, "--as", "alice", "--container",
        )  # fmt: skip

    def admit(self, *how: str, **change: Any) -> None:
        text = edit.put(self.policy.path.read_text(), ("services", "api", "workload"), RELEASED | change)
        self.policy.path.write_text(text)
        self.policy.stage.ask("policy", "submit", self.policy.path, "--as", "alice", *how)

    def release(self, word: str, version: str) -> Path:
        """A folder with the statement that `word` is `version`."""
        place = self.images.parent / f"statements-{version}"
        place.mkdir()
        self.policy.stage.ask(
            "release", "create", "acme/word", version, f"{self.policy.name}#api", "--image", self.image(f"{word}-p"),
            "--out", place / "it.json", "--as", "alice",
        )  # fmt: skip
        return place

    def image(self, tag: str) -> str:
        return f"oci:{self.images}:{tag}"

    def run(self, tag: str, statements: Path | None = None) -> Result:
        image = self.podman.ask("pull", "--quiet", self.image(tag)).splitlines()[-1]
        at = f"http://127.0.0.1:{self.installation.port}"
        more = shield_arguments(self.installation.door, "--env", f"CASEMATE_CUSTODIAN={at}")
        mounted = () if statements is None else ("--volume", f"{statements}:/casemate/statements:ro")
        return self.podman.podman("run", "--rm", *more, *mounted, image)


@pytest.fixture(scope="module")
def released(installation: Installation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Released]:
    policy = installation.policy()
    policy.path.unlink()
    scratch = tmp_path_factory.mktemp("released")
    with engine(scratch / "engine") as podman:
        made = Released(installation, policy, podman, scratch / "images")
        made.protect("one")
        made.admit("--sealed", str(policy.path.with_name(f"{policy.path.stem}.sealed.json")))
        yield made


def test_a_policy_that_was_signed_once_admits_each_version_that_is_released(released: Released) -> None:
    told = released.run("one-p")
    assert (told.status, "no release statement" in told.errors) == (67, True), told.errors
    first = released.release("one", "1.4")
    assert released.run("one-p", first).output == "one\n"
    # In the image: nothing has to be mounted.
    attached = released.policy.stage.ask(
        "image", "attach", released.image("one-p"), released.image("one-r"), "--statement", first / "it.json"
    )
    assert attached["sent"] < 64 * 1024
    assert released.run("one-r").output == "one\n"
    # The next version: its own statement, the same policy. One for another image is none.
    released.protect("two")
    told = released.run("two-p", first)
    assert (told.status, "does not name" in told.errors) == (67, True), told.errors
    second = released.release("two", "1.5")
    assert released.run("two-p", second).output == "two\n"
    # What is revoked, and what is too old, ends there, whatever the image brings along.
    released.admit("--on-top", revoked=["1.4"])
    told = released.run("one-r")
    assert (told.status, "which is revoked" in told.errors) == (67, True), told.errors
    released.admit("--on-top", at_least="1.6")
    told = released.run("two-p", second)
    assert (told.status, "which is older" in told.errors) == (67, True), told.errors


def test_a_statement_that_the_host_changed_is_none(released: Released, tmp_path: Path) -> None:
    released.admit("--on-top")
    place = released.images.parent / "statements-1.4"
    value = json.loads((place / "it.json").read_text())
    value["signatures"][0]["sig"] = "A" * 86 + "=="
    (tmp_path / "it.json").write_text(json.dumps(value))
    told = released.run("one-p", tmp_path)
    assert (told.status, "a signature does not verify" in told.errors) == (67, True), told.errors
