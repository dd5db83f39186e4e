"""A protected image, started by Podman where there is one, and otherwise by the simulated platform itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from casemate.testing.engine import Engine, engine, is_there, shield_arguments
from casemate.testing.images import archive, folder, member, write_image
from casemate.testing.stage import Result, StageError
from examples.first_run.cast import Cast
from examples.first_run.screen import Screen

__all__ = ["EXPECTED", "NAME", "TEXT", "Clinic", "prepared"]

NAME, TEXT, PASSWORD = "ward-7-patients.csv", b"known plaintext: patient 4711, ward 7\n", "correct-horse-battery"
EXPECTED: Final = f"{TEXT.decode()}{PASSWORD}\n"
_BUSYBOX: Final = Path("/bin/busybox")
_POLICY: Final = "acme/clinic#app"


@dataclass
class Clinic:
    """`podman` is None where containers do not run."""

    cast: Cast
    podman: Engine | None

    @property
    def images(self) -> Path:
        return self.cast.stage.folder / "images"

    @property
    def policy(self) -> Path:
        return self.cast.stage.folder / "clinic.yaml"

    def protect(self, tag: str, text: bytes = TEXT) -> None:
        """Makes an ordinary image and a protected one of it, which the policy admits from then on."""
        base = archive(
            folder("bin"), member("bin/busybox", _BUSYBOX.read_bytes(), 0o755), folder("etc"),
            member("etc/passwd", b"clinic:x:1000:1000::/:/bin/sh\n"),
        )  # fmt: skip
        top = archive(folder("srv"), member(f"srv/{NAME}", text))
        script = "busybox cat /srv/*; echo $DB_PASSWORD"  # the command line is public: no names in it
        settings = {
            "Cmd": ["busybox", "sh", "-c", script],
            "User": "clinic",
            "Env": ["PATH=/bin", f"DB_PASSWORD={PASSWORD}"],
        }
        write_image(self.images, tag, [base, top], settings)
        ask = self.cast.stage.ask
        made = ask(
            "image", "protect", f"oci:{self.images}:{tag}", f"oci:{self.images}:{tag}-protected", "--policy", _POLICY,
            "--policy-out", self.policy, "--as", "alice", *(["--container"] if self.podman else []),
        )  # fmt: skip
        how = ["--sealed", made["sealed"]] if made["sealed"] else ["--on-top"]
        ask("policy", "submit", self.policy, "--as", "alice", *how)

    def pull(self, tag: str) -> str:
        """What `run` is to be called with."""
        name = f"oci:{self.images}:{tag}-protected"
        return name if self.podman is None else self.podman.ask("pull", "--quiet", name).splitlines()[-1]

    def run(self, image: str, port: int | None = None) -> Result:
        """`port`: of the custodian that is asked."""
        at = f"http://127.0.0.1:{port or self.cast.port}"
        if self.podman is None:
            return self.cast.stage.cli("run", _POLICY, "--image", image, "--address", at)
        door = self.cast.stage.folder / "containers.sock"
        return self.podman.podman("run", "--rm", *shield_arguments(door, "--env", f"CASEMATE_CUSTODIAN={at}"), image)

    def seal_output(self) -> None:
        """From the next start on, what the service writes is for its owner alone."""
        ask = self.cast.stage.ask
        made = ask("output", "seal", self.policy, "--policy", _POLICY, "--as", "alice")
        ask("policy", "submit", self.policy, "--as", "alice", "--on-top", "--sealed", made["sealed"])

    def read_output(self, log: str) -> Result:
        """By its owner."""
        return self.cast.stage.cli("output", "open", "-", "--policy", _POLICY, stdin=log)

    def stored(self) -> Iterator[Path]:
        """Every file in which the host has anything of the protected image."""
        if self.podman is not None:
            yield from (path for path in self.podman.folder.rglob("*") if path.is_file() and not path.is_symlink())
        # The ordinary image lies in the same folder here, in blobs that were there before.
        yield from (blob for blob in self.blobs() if _is_sealed(blob))

    def layers(self) -> Iterator[list[Path]]:
        """Each sealed layer, in all the copies that the host keeps."""
        found = [blob for blob in self.blobs() if _is_sealed(blob)]
        if self.podman is None:
            yield from ([blob] for blob in found)
            return
        copies = [path for path in self.podman.storage.rglob("casemate/layers/*") if path.is_file()]
        for name in sorted({path.name for path in copies}):
            yield [path for path in copies if path.name == name]

    def blobs(self) -> list[Path]:
        return sorted((self.images / "blobs" / "sha256").iterdir())


@contextmanager
def prepared(cast: Cast, screen: Screen) -> Iterator[Clinic]:
    with engine(cast.stage.folder / "engine") as podman:
        runs = is_there() and podman.works(_BUSYBOX)
        clinic = Clinic(cast, podman if runs else None)
        cast.stage.ask(
            "policy", "init", "acme/clinic", "--owner", "alice", "--custodian", "main", "--insecure-simulation",
            "--output", cast.stage.folder / "clinic-starter.yaml",
        )  # fmt: skip
        clinic.protect("1")
        screen.step("an ordinary image becomes a protected one", "casemate image protect … --policy-out clinic.yaml")
        screen.step("a password in its environment is noticed, and moves to the policy")
        if clinic.podman is None:
            screen.step(
                "Podman and runc are not there or run nothing here", "the simulated platform starts the image itself"
            )
        told = clinic.run(clinic.pull("1"))
        if (told.status, told.output) != (0, EXPECTED):
            raise StageError(f"the protected image: {told.status} {told.output} {told.errors}")
        how = "casemate run … --image" if clinic.podman is None else "podman run"
        screen.step("it runs like the original, with the password from the policy", how)
        yield clinic


def _is_sealed(blob: Path) -> bool:
    with blob.open("rb") as file:
        return file.read(2048).find(b"casemate/layers/") >= 0
