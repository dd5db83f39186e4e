"""The platform's own images: a custodian in a container, the command line in another, both started by compose too."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from casemate.cli.custodian._measured import custodian_manifest
from casemate.testing.engine import FLAGS, MISSING, SOCKET, Engine, engine, is_there
from casemate.testing.images import archive, folder, member, write_image
from casemate.testing.stage import Result, Stage, free_port, wait_for
from scripts import images

from .conftest import BUSYBOX

pytestmark = [
    pytest.mark.skipif(not is_there(), reason=MISSING),
    pytest.mark.skipif(not os.path.exists("/dev/fuse"), reason="there is no /dev/fuse"),
]

COMPOSE = Path(__file__).parents[2] / "deploy" / "compose.yaml"
SCRIPT = "echo $PASSWORD; trap 'exit 0' TERM; while :; do sleep 0.1 & wait; done"
SECRET = "s3cret-enough"
CACHE = images.ROOT / "build" / "pyc"


@dataclass
class Place:
    """A platform, an engine with both images, and the folders of a custodian that has an identity."""

    stage: Stage
    podman: Engine
    images: Path
    custodian: str
    tools: str
    identity: str
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def options(self, *more: str) -> list[str]:
        mounts = {self.door: SOCKET, self.data: "/casemate/mounts/data", self.anchor: "/casemate/mounts/anchor"}
        volumes = [word for outside, inside in mounts.items() for word in ("--volume", f"{outside}:{inside}")]
        return [*FLAGS, *volumes, "--env", f"CASEMATE_HOLE_port={self.port}", *more, self.custodian]

    def run(self, *more: str) -> Result:
        return self.podman.podman("run", "--rm", *self.options(*more))

    @property
    def door(self) -> Path:
        return self.stage.folder / "containers.sock"

    @property
    def data(self) -> Path:
        return self.stage.folder / "data"

    @property
    def anchor(self) -> Path:
        return self.stage.folder / "anchor"

    def attested(self) -> dict[str, object]:
        """What the custodian proves, once it answers; pinned."""
        words = ("--url", self.url, "--identity", self.identity, "--pin", "--wait", "50")
        return self.stage.ask("custodian", "attest", "main", *words)

    def protect(self) -> str:
        """A protected image that says its secret, and whose policy the custodian has."""
        self.stage.ask("policy", "init", "acme/records", "--service", "api", "--owner", "alice",
                       "--insecure-simulation", "--output", self.stage.folder / "init.yaml")  # fmt: skip
        applets = [member(f"bin/{name}", type=b"2", linkname="busybox") for name in ("sh", "sleep")]
        base = archive(folder("bin"), member("bin/busybox", Path(BUSYBOX).read_bytes(), 0o755), *applets)
        settings = {"Cmd": ["sh", "-c", SCRIPT], "User": "1000:1000", "Env": ["PATH=/bin", f"PASSWORD={SECRET}"]}
        write_image(self.images, "example", [base], settings)
        policy = self.stage.folder / "records.yaml"
        made = self.stage.ask(
            "image", "protect", f"oci:{self.images}:example", f"oci:{self.images}:example-p", "--policy",
            "acme/records#api", "--policy-out", policy, "--as", "alice", "--container",
        )  # fmt: skip
        self.stage.ask("policy", "submit", policy, "--as", "alice", "--sealed", made["sealed"])
        return self.podman.ask("pull", "--quiet", f"oci:{self.images}:example-p").splitlines()[-1]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    scratch = tmp_path_factory.mktemp("platform")
    images.write_all(scratch / "images", CACHE)
    with Stage() as stage, engine(scratch / "engine") as podman:
        stage.ask("platform", "init")
        stage.start("platform", "platform", "simulate", "--containers", stage.folder / "containers.sock")
        stage.ask("platform", "show", "--wait", "50")
        stage.ask("identity", "create", "alice")
        pulled = {
            name: podman.ask("pull", "--quiet", f"oci:{scratch}/images:{name}").splitlines()[-1]
            for name in ("custodian", "tools")
        }
        made = Place(stage, podman, scratch / "images", pulled["custodian"], pulled["tools"], "", free_port())
        stage.ask("custodian", "init", "main", "--container", "--data", made.data, "--anchor", made.anchor,
                  "--board", "alice")  # fmt: skip
        told = made.run("--env", "CASEMATE_HOLE_command=init")
        assert told.status == 0, told.errors
        made.identity = told.output.split('"identity": "')[1].split('"')[0]
        yield made


def test_the_same_installation_gives_the_same_images_to_the_last_bit(place: Place, tmp_path: Path) -> None:
    again = images.write_all(tmp_path / "again", CACHE)
    there = {f"{digest.removeprefix('sha256:')}" for digest in again.values()}
    assert there <= {path.name for path in (place.images / "blobs" / "sha256").iterdir()}


def test_a_custodian_in_a_container_is_the_measured_one_and_releases_to_another_container(place: Place) -> None:
    place.podman.ask("run", "--detach", "--name", "custodian", *place.options())
    try:
        shown = place.attested()
        assert shown["platform"] == "simulated-container"
        assert shown["manifest"] == custodian_manifest(CACHE).parsed.digest
        image = place.protect()
        options = [*FLAGS, "--volume", f"{place.door}:{SOCKET}", "--env", f"CASEMATE_CUSTODIAN={place.url}"]
        place.podman.ask("run", "--detach", "--name", "example", *options, image)
        wait_for("the example", lambda: SECRET in place.podman.podman("logs", "example").output, seconds=50)
        home = ("--volume", f"{place.stage.home}:/casemate", "--network", "host")
        told = place.podman.podman("run", "--rm", *home, place.tools, "custodian", "status", "--custodian", "main")
        assert told.status == 0, told.errors
        assert place.identity in told.output
        place.podman.ask("stop", "--time", "30", "custodian")
        assert place.podman.ask("inspect", "--format", "{{.State.ExitCode}}", "custodian") == "0"
    finally:
        place.podman.remove("example")
        place.podman.remove("custodian")


def test_an_altered_file_of_the_custodian_is_refused(place: Place, tmp_path: Path) -> None:
    altered = tmp_path / "claims.py"
    altered.write_text("print('altered')\n")
    told = place.run("--volume", f"{altered}:/opt/casemate/packages/casemate/claims.py")
    assert (told.status, told.output) == (65, ""), told.errors
    assert "claims.py" in told.errors


def test_the_tools_say_their_version_and_help(place: Place) -> None:
    for words, expected in (("--version", "casemate 0."), ("--help", "custodian")):
        told = place.podman.podman("run", "--rm", place.tools, words)
        assert told.status == 0, told.errors
        assert expected in told.output


def _composes() -> bool:
    """Debian's podman-compose 1.0 knows no fixed addresses."""
    program = shutil.which("podman-compose")
    if program is None:
        return False
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=False, timeout=50).stdout
    found = re.search(r"podman-compose version v?([0-9]+)\.([0-9]+)", told)
    return found is not None and (int(found[1]), int(found[2])) >= (1, 1)


@pytest.mark.skipif(not _composes(), reason="needs podman-compose 1.1 or newer: pip install podman-compose")
def test_compose_starts_custodian_and_example(place: Place) -> None:
    if place.podman.podman("network", "create", "probe").status:
        pytest.skip("needs networks of containers: apt-get install --no-install-recommends netavark iptables")
    place.podman.ask("network", "rm", "probe")
    engine_of_place = place.stage.folder / "podman"
    words = ["podman", "--root", place.podman.storage, "--runroot", place.podman.folder / "run", "--storage-driver"]
    engine_of_place.write_text(f'#!/bin/sh\nexec {" ".join(map(str, [*words, place.podman.driver]))} "$@"\n')
    engine_of_place.chmod(0o755)
    environment = {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": str(place.stage.folder),
        "CONTAINERS_CONF": str(place.podman.folder / "containers.conf"),
        "CASEMATE_CUSTODIAN_IMAGE": place.custodian,
        "CASEMATE_EXAMPLE_IMAGE": _example(place),
        "CASEMATE_PLATFORM": str(place.door),
        "CASEMATE_DATA": str(place.data),
        "CASEMATE_ANCHOR": str(place.anchor),
        "CASEMATE_PORT": str(place.port),
    }

    def compose(*arguments: str) -> subprocess.CompletedProcess[bytes]:
        command = [str(shutil.which("podman-compose")), "--podman-path", engine_of_place, "--file", COMPOSE, *arguments]
        return subprocess.run(command, env=environment, capture_output=True, timeout=120, check=False)

    up = compose("up", "--detach")
    try:
        names = place.podman.ask("ps", "--all", "--format", "{{.Names}}").split()
        example = next((name for name in names if "example" in name), None)
        assert example is not None, up.stderr
        wait_for("the example", lambda: SECRET in place.podman.podman("logs", example).output, seconds=60)
    finally:
        compose("down", "--timeout", "30")


def _example(place: Place) -> str:
    """The image of the test before, whose policy the custodian still has; on its own, this test makes it."""
    try:
        return place.podman.ask("pull", "--quiet", f"oci:{place.images}:example-p").splitlines()[-1]
    except AssertionError:
        place.podman.ask("run", "--detach", "--name", "custodian", *place.options())
        try:
            place.attested()
            return place.protect()
        finally:
            place.podman.ask("stop", "--time", "30", "custodian")
            place.podman.remove("custodian")
