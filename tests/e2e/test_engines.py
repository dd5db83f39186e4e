"""One protected image under each engine that is here, with the flags that the guide names and with the least."""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest

from casemate.testing.docker import (
    DOCKER_FLAGS,
    LEAST_DOCKER_FLAGS,
    MISSING_DOCKER,
    docker,
    docker_is_there,
)
from casemate.testing.engine import FLAGS, LEAST_FLAGS, MISSING, SOCKET, engine, is_there
from casemate.testing.images import archive, copied, folder, member, write_image
from casemate.testing.registry import MISSING_REGISTRY, registry, registry_is_there
from casemate.testing.stage import Result, wait_for

from .conftest import BUSYBOX, Installation, Policy

pytestmark = pytest.mark.skipif(not os.path.exists("/dev/fuse"), reason="there is no /dev/fuse")

SECRET_NAME, SECRET_TEXT = "patients-of-ward-9", b"known plaintext, to be searched for in what engines store"
SCRIPT = (
    "cat /srv/*; echo; echo $PASSWORD; id -u; echo note > /tmp/note && cat /tmp/note; echo up;"
    " trap 'echo got TERM; exit 7' TERM; while :; do sleep 0.1 & wait; done"
)
SAID = [SECRET_TEXT.decode(), "s3cret-enough", "1000", "note", "up"]
SCRIPT_OF_USERS = Path(__file__).parent / "unprivileged.py"
NO_ACCOUNT = "needs root, newuidmap, and an account with subordinate numbers (/etc/subuid): adduser casemate-tests"


class Runs(Protocol):
    """What engines have in common on the command line."""

    def __call__(self, *arguments: str | Path) -> Result: ...


@dataclass
class Place:
    """An engine that has the image, and how a container is started there."""

    name: str
    engine: Runs
    image: str
    stored: Path
    flags: Sequence[str]
    least: Sequence[str]

    def start(self, name: str, flags: Sequence[str]) -> None:
        told = self.engine("run", "--detach", "--name", name, *flags, self.image)
        assert told.status == 0, told.errors
        wait_for(f"{name} to be up", lambda: "up\n" in self.logs(name).output, seconds=60)

    def logs(self, name: str) -> Result:
        return self.engine("logs", name)

    def told(self, *arguments: str) -> str:
        told = self.engine(*arguments)
        assert told.status == 0, told.errors
        return told.output.strip()


@dataclass
class Source:
    """The image, protected: as a layout and as an archive that `docker load` takes."""

    installation: Installation
    layout: str
    archive: Path

    def options(self, door: Path) -> list[str]:
        at = f"CASEMATE_CUSTODIAN=http://127.0.0.1:{self.installation.port}"
        return ["--volume", f"{door}:{SOCKET}", "--env", at]


@pytest.fixture(scope="module")
def source(installation: Installation, tmp_path_factory: pytest.TempPathFactory) -> Source:
    policy = installation.policy()
    policy.path.unlink()
    made = tmp_path_factory.mktemp("source")
    applets = [member(f"bin/{name}", type=b"2", linkname="busybox") for name in ("sh", "cat", "id", "sleep")]
    base = archive(folder("bin"), member("bin/busybox", Path(BUSYBOX).read_bytes(), 0o755), *applets)
    top = archive(folder("tmp", 0o1777), folder("srv"), member(f"srv/{SECRET_NAME}", SECRET_TEXT))
    settings = {
        "Cmd": ["sh", "-c", SCRIPT], "User": "1000:1000", "Env": ["PATH=/bin", "PASSWORD=s3cret-enough"],
        "Healthcheck": {"Test": ["CMD-SHELL", "test $(id -u) = 1000"], "Interval": 1_000_000_000},
    }  # fmt: skip
    write_image(made / "images", "one", [base, top], settings)
    sealed = _protect(policy, f"oci:{made}/images:one", f"oci:{made}/images:one-p")
    _protect(policy, f"oci:{made}/images:one", f"docker-archive:{made}/one.tar:casemate-tests/one:p")
    policy.stage.ask("policy", "submit", policy.path, "--as", "alice", "--sealed", sealed)
    return Source(installation, f"oci:{made}/images:one-p", made / "one.tar")


def _protect(policy: Policy, source: str, target: str) -> str:
    made = policy.stage.ask(
        "image", "protect", source, target, "--policy", f"{policy.name}#api", "--policy-out", policy.path, "--as",
        "alice", "--container",
    )  # fmt: skip
    return str(made["sealed"])


def _podman(source: Source, scratch: Path) -> Iterator[Place]:
    if not is_there():
        pytest.skip(MISSING)
    with engine(scratch / "engine") as podman:
        image = podman.ask("pull", "--quiet", source.layout).splitlines()[-1]
        more = source.options(source.installation.door)
        yield Place("podman", podman.podman, image, podman.storage, [*FLAGS, *more], [*LEAST_FLAGS, *more])


def _docker(source: Source, scratch: Path) -> Iterator[Place]:
    if not docker_is_there():
        pytest.skip(MISSING_DOCKER)
    with docker(scratch / "docker") as made:
        made.ask("load", "--input", source.archive)
        more = source.options(source.installation.door)
        image, stored = "casemate-tests/one:p", made.folder / "storage"
        yield Place("docker", made.docker, image, stored, [*DOCKER_FLAGS, *more], [*LEAST_DOCKER_FLAGS, *more])


def _account() -> int | None:
    """The number of a user who has others below it."""
    try:
        names = {line.split(":")[0] for line in Path("/etc/subuid").read_text().splitlines()}
    except OSError:
        return None
    return next((entry.pw_uid for entry in pwd.getpwall() if entry.pw_uid and entry.pw_name in names), None)


def _rootless(source: Source, _scratch: Path) -> Iterator[Place]:
    if not is_there():
        pytest.skip(MISSING)
    user = _account() if os.getuid() == 0 and shutil.which("newuidmap") else None
    if user is None:
        pytest.skip(NO_ACCOUNT)
    # Where that user may come, unlike in the folders of pytest. Podman takes the path for a name, without underscores.
    own = Path(tempfile.gettempdir()) / f"casemate-rootless-{os.getpid()}"
    own.mkdir(mode=0o755)
    # Debian lets every user open the device, and a machine without its rules for devices does not.
    os.mknod(own / "fuse", 0o666 | stat.S_IFCHR, os.makedev(10, 229))
    (own / "fuse").chmod(0o666)
    shutil.copytree(source.layout.split(":")[1], own / "images")
    platform = _platform_of(user, source.installation, own)
    try:
        with engine(own / "engine", user=user) as podman:
            image = podman.ask("pull", "--quiet", f"oci:{own}/images:one-p").splitlines()[-1]
            more = source.options(own / "home" / "door.sock")
            flags, least = ([f"{own}/fuse:{word}" if word == "/dev/fuse" else word for word in words]
                            for words in (FLAGS, LEAST_FLAGS))  # fmt: skip
            yield Place("rootless", podman.podman, image, podman.storage, [*flags, *more], [*least, *more])
    finally:
        platform.terminate()
        platform.wait(timeout=50)
        shutil.rmtree(own, ignore_errors=True)


def _platform_of(user: int, installation: Installation, own: Path) -> subprocess.Popen[bytes]:
    """The same made-up vendor, whose agent serves only the user that it runs as."""
    home, stage = own / "home", installation.stage
    shutil.copytree(stage.home / "platform", home / "platform", ignore=shutil.ignore_patterns("agent.sock*"))
    for path in (home, *home.rglob("*")):
        os.chown(path, user, user)
    command = [str(user), "platform", "simulate", "--containers", str(home / "door.sock")]
    process = subprocess.Popen(
        [sys.executable, "-P", str(SCRIPT_OF_USERS), *command],
        env={**stage.environment, "CASEMATE_HOME": str(home)},
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_for("the platform of a user", (home / "door.sock").exists, seconds=50)
    return process


@pytest.fixture(scope="module", params=[_podman, _rootless, _docker], ids=["podman", "rootless", "docker"])
def place(request: pytest.FixtureRequest, source: Source, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    yield from request.param(source, tmp_path_factory.mktemp("engine"))


@pytest.mark.parametrize("which", ["flags", "least"])
def test_it_runs_like_the_original_and_ends_when_it_is_told_to(place: Place, which: str) -> None:
    flags, name = (place.flags if which == "flags" else place.least), f"runs-{which}"
    place.start(name, flags)
    assert place.logs(name).output.splitlines() == SAID
    began = time.monotonic()
    place.told("stop", "--time", "30", name)
    assert time.monotonic() - began < 15
    assert "got TERM" in place.logs(name).output
    assert place.told("inspect", "--format", "{{.State.ExitCode}}", name) == "7"


def test_the_engine_learns_whether_it_is_well(place: Place) -> None:
    place.start("asked", place.least)
    wait_for("a check", lambda: place.engine("exec", "asked", "/casemate/shield", "--health").status == 0, seconds=20)
    if place.name == "docker":  # which takes health checks from images in every form
        health = ("inspect", "--format", "{{.State.Health.Status}}", "asked")
        wait_for("the engine's own check", lambda: place.told(*health) == "healthy", seconds=20)


def test_the_host_finds_neither_content_nor_names(place: Place) -> None:
    place.start("searched", place.flags)
    stored = [path for path in place.stored.rglob("*") if path.is_file() and not path.is_symlink()]
    logs = {path for path in stored if path.name.endswith((".log", "-json.log"))}
    assert len(stored) > 5
    for words in (SECRET_TEXT, SECRET_NAME.encode(), b"s3cret-enough", b"BusyBox v1"):
        # What the workload itself writes to its standard output goes where the engine keeps that.
        assert [path for path in stored if words in path.read_bytes() and path not in logs] == [], words


@pytest.mark.skipif(not docker_is_there(), reason=MISSING_DOCKER)
@pytest.mark.skipif(not registry_is_there(), reason=MISSING_REGISTRY)
def test_docker_pulls_it_from_a_registry_and_asks_whether_it_is_well(source: Source, tmp_path: Path) -> None:
    with registry(tmp_path / "registry") as there, docker(tmp_path / "docker") as made:
        image = f"{there.address}/casemate-tests/one:p"
        digest, _ = copied(source.layout, f"docker://{image}", tmp_path / "scratch")
        assert digest in made.ask("pull", image)
        more = source.options(source.installation.door)
        place = Place("docker", made.docker, image, made.folder / "storage", [*DOCKER_FLAGS, *more], ())
        place.start("pulled", place.flags)
        health = ("inspect", "--format", "{{.State.Health.Status}}", "pulled")
        wait_for("the engine's own check", lambda: place.told(*health) == "healthy", seconds=30)
