"""Protected images as a container engine runs them: pulled, started, and only what the policy admits."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from casemate.testing.engine import MISSING, Engine, engine, is_there, shield_arguments
from casemate.testing.images import archive, folder, member, write_image
from casemate.testing.stage import Result

from .conftest import BUSYBOX, Installation, Policy, other_custodian

pytestmark = [
    pytest.mark.skipif(not is_there(), reason=MISSING),
    pytest.mark.skipif(not os.path.exists("/dev/fuse"), reason="there is no /dev/fuse"),
]

SECRET_NAME, SECRET_TEXT = "patients-of-ward-7", b"known plaintext of the image, to be searched for"
SCRIPT = "busybox cat /srv/*; echo; echo $DB_PASSWORD; busybox id -u; echo note > /srv/note && busybox cat /srv/note"


@dataclass
class Protected:
    installation: Installation
    policy: Policy
    podman: Engine
    images: Path

    def protect(self, word: str) -> None:
        """Makes `word-p` of an image that says `word`, and admits it."""
        base = archive(
            folder("bin"),
            member("bin/busybox", Path(BUSYBOX).read_bytes(), 0o755),
            folder("etc"),
            member("etc/passwd", b"app:x:1000:1000::/home/app:/bin/sh\n"),
        )
        top = archive(folder("srv", 0o1777), member(f"srv/{SECRET_NAME}", SECRET_TEXT + word.encode()))
        settings = {"Cmd": ["busybox", "sh", "-c", SCRIPT], "User": "app", "Env": ["PATH=/bin", "DB_PASSWORD=hunter2"]}
        write_image(self.images, word, [base, top], settings)
        asked, policy = self.policy.stage.ask, self.policy
        made = asked(
            "image", "protect", f"oci:{self.images}:{word}", f"oci:{self.images}:{word}-p", "--policy",
            f"{policy.name}#api", "--policy-out", policy.path, "--as", "alice", "--container",
        )  # fmt: skip
        how = ["--sealed", made["sealed"]] if made["sealed"] else ["--on-top"]
        asked("policy", "submit", policy.path, "--as", "alice", *how)

    def pull(self, word: str) -> str:
        """The engine's number of the image."""
        return self.podman.ask("pull", "--quiet", f"oci:{self.images}:{word}-p").splitlines()[-1]

    def run(self, image: str, *, custodian: str | None = None) -> Result:
        at = custodian or f"http://127.0.0.1:{self.installation.port}"
        more = shield_arguments(self.installation.door, "--env", f"CASEMATE_CUSTODIAN={at}")
        return self.podman.podman("run", "--rm", *more, image)


@pytest.fixture(scope="module")
def protected(installation: Installation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Protected]:
    policy = installation.policy()
    policy.path.unlink()
    scratch = tmp_path_factory.mktemp("podman")
    with engine(scratch / "engine") as podman:
        made = Protected(installation, policy, podman, scratch / "images")
        made.protect("one")
        yield made


def test_it_runs_like_the_original_and_what_it_writes_stays_in_memory(protected: Protected) -> None:
    image = protected.pull("one")
    for _ in range(2):
        told = protected.run(image)
        assert (told.status, told.output) == (0, f"{SECRET_TEXT.decode()}one\nhunter2\n1000\nnote\n"), told.errors


def test_the_host_finds_neither_content_nor_names(protected: Protected) -> None:
    protected.run(protected.pull("one"))
    stored = [path for path in protected.podman.folder.rglob("*") if path.is_file() and not path.is_symlink()]
    assert len(stored) > 5
    for words in (SECRET_TEXT, SECRET_NAME.encode(), b"hunter2", b"BusyBox v1"):
        assert [path for path in stored if words in path.read_bytes()] == [], words


def test_an_altered_layer_gives_no_byte_of_it(protected: Protected) -> None:
    image = protected.pull("one")
    copies = [path for path in protected.podman.storage.rglob("casemate/layers/*") if path.is_file()]
    layers = {path.name for path in copies}
    assert len(layers) == 2
    for layer in layers:
        kept = {path: path.read_bytes() for path in copies if path.name == layer}
        for path, data in kept.items():
            path.write_bytes(bytes(byte ^ 1 if at >= 4096 and at % 4096 == 0 else byte for at, byte in enumerate(data)))
        told = protected.run(image)
        for path, data in kept.items():
            path.write_bytes(data)
        assert (told.status != 0, told.output) == (True, ""), told.errors


def test_somebody_elses_custodian_and_none_at_all_start_nothing(protected: Protected) -> None:
    image = protected.pull("one")
    told = protected.run(image, custodian="http://127.0.0.1:9")
    assert (told.status, told.output) == (68, ""), told.errors
    with other_custodian(protected.installation) as address:
        told = protected.run(image, custodian=address)
    assert (told.status, told.output) == (69, ""), told.errors


def test_an_older_version_gets_nothing_once_the_next_one_is_admitted(protected: Protected) -> None:
    older = protected.pull("one")
    protected.protect("two")
    told = protected.run(older)
    assert (told.status, told.output) == (67, ""), told.errors
    told = protected.run(protected.pull("two"))
    assert told.status == 0, told.errors
    assert told.output.startswith(f"{SECRET_TEXT.decode()}two\nhunter2\n")
