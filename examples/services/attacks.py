"""What whoever has the registry, the engine and the network does to a service; each must be refused for its reason."""

from __future__ import annotations

import json
import mmap
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from casemate.testing.stage import Result
from casemate.wire import canonical
from examples.services.busybox import SERVICE as STRANGER
from examples.services.hosted import Hosted
from examples.services.service import Service

__all__ = ["OLDER", "REVOKED", "Attack", "attacks", "held"]

_BLOCK: Final = 4096
_NOWHERE: Final = "http://127.0.0.1:9"
_ADMITTED: Final = "1"
_VERSION: Final = "1.0"


@dataclass(frozen=True)
class Attack:
    """`attempt` starts the image of release 1, once or more, each time to end with `status` and `said`."""

    name: str
    title: str
    status: int
    said: str
    attempt: Callable[[Hosted], Iterator[Result]]


def attacks(service: Service) -> tuple[Attack, ...]:
    """All that leave release 1 as it was."""
    return (*_ATTACKS, _YESTERDAY) if service.volumes else _ATTACKS


def held(attack: Attack, told: list[Result]) -> bool:
    """Whether nothing of the workload ran, for the very reason that is expected."""
    return bool(told) and all(
        (one.status, one.output) == (attack.status, "") and attack.said in one.errors for one in told
    )


def _altered_layers(hosted: Hosted) -> Iterator[Result]:
    """One layer after the other, in all the copies that the engine has."""
    image = hosted.pull(_ADMITTED)
    manifest = json.loads((_top(hosted, image) / "casemate" / "manifest.json").read_bytes())
    for root in manifest["image"]["layers"]:
        copies = list(hosted.place.host.storage.rglob(f"casemate/layers/{root.removeprefix('sha256:')}"))
        assert copies, root
        _flip(copies)
        try:
            yield hosted.run(image)
        finally:
            _flip(copies)


def _altered_manifest(hosted: Hosted) -> Iterator[Result]:
    """Well-formed as before, with one variable more."""
    image = hosted.pull(_ADMITTED)
    path = _top(hosted, image) / "casemate" / "manifest.json"
    kept = path.read_bytes()
    manifest = json.loads(kept)
    manifest["environment"]["EVIL"] = "1"
    path.write_bytes(canonical.encode(manifest))
    try:
        yield hosted.run(image)
    finally:
        path.write_bytes(kept)


def _another_image(hosted: Hosted) -> Iterator[Result]:
    """Made for the same policy and service by somebody with another image key, and given the same name."""
    image = hosted.pull(_ADMITTED)
    key = hosted.place.stage.folder / f"{hosted.service.name}-mallory.key"
    hosted.protect("mallory", "--key-file", key, ordinary=hosted.images.ordinary(STRANGER))
    with _renamed(hosted, image, hosted.pull("mallory")):
        yield hosted.run(image)


@contextmanager
def _renamed(hosted: Hosted, name: str, other: str) -> Iterator[None]:
    host = hosted.place.host
    own = host.ask("inspect", "--format", "{{.Id}}", name)
    host.ask("tag", other, name)
    try:
        yield
    finally:
        host.ask("tag", own, name)


def _no_custodian(hosted: Hosted) -> Iterator[Result]:
    yield hosted.run(hosted.pull(_ADMITTED), custodian=_NOWHERE)


def _somebody_elses(hosted: Hosted) -> Iterator[Result]:
    yield hosted.run(hosted.pull(_ADMITTED), custodian=hosted.place.somebody_elses())


def _yesterday(hosted: Hosted) -> Iterator[Result]:
    """Folders of sealed volumes as they were before the last start; afterwards as they were found."""
    image, folders = hosted.pull(_ADMITTED), [hosted.folder(volume) for volume in hosted.service.volumes]
    with hosted.started(image) as running:
        running.finish()
    for folder in folders:
        shutil.copytree(folder, folder.with_suffix(".yesterday"))
    with hosted.started(image) as running:
        running.finish()
    for folder in folders:
        folder.rename(folder.with_suffix(".today"))
        folder.with_suffix(".yesterday").rename(folder)
    try:
        yield hosted.run(image)
    finally:
        for folder in folders:
            shutil.rmtree(folder)
            folder.with_suffix(".today").rename(folder)


def _older(hosted: Hosted) -> Iterator[Result]:
    image = hosted.pull(_ADMITTED)
    hosted.admit(2)
    yield hosted.run(image)


def _revoked(hosted: Hosted) -> Iterator[Result]:
    """A release that ran, until the policy took it back; its statement is in the image, and is still alice's."""
    hosted.release(_ADMITTED, _VERSION)
    hosted.admit_releases()
    image = hosted.pull(_VERSION)
    with hosted.started(image) as running:
        running.finish()
    hosted.admit_releases(_VERSION)
    yield hosted.run(image)


def _top(hosted: Hosted, image: str) -> Path:
    """Of the image's topmost layer, the folder."""
    return Path(hosted.place.host.ask("inspect", "--format", "{{.GraphDriver.Data.UpperDir}}", image))


def _flip(copies: list[Path]) -> None:
    """A bit in each block behind the head. Twice is not at all."""
    for path in copies:
        with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as data:
            data[_BLOCK::_BLOCK] = bytes(byte ^ 1 for byte in data[_BLOCK::_BLOCK])


_ATTACKS: Final = (
    Attack("altered-layer", "a bit in each block of a layer flipped", 65, "the layer sha256:", _altered_layers),
    Attack("altered-manifest", "a variable more in the manifest", 67, "workload.manifest", _altered_manifest),
    Attack("another-image", "another image under its name", 67, "workload.manifest", _another_image),
    Attack("no-custodian", "no custodian", 68, "no custodian answers", _no_custodian),
    Attack(
        "somebody-elses", "somebody else's custodian", 69, "not the custodian that the manifest names", _somebody_elses
    ),
)
_YESTERDAY: Final = Attack("yesterday", "volumes of yesterday", 73, "rolled back", _yesterday)
"""For services that have some."""
OLDER: Final = Attack("older", "an older release, once the policy moved on", 67, "workload.manifest", _older)
REVOKED: Final = Attack("revoked", "a release that was revoked", 67, "which is revoked", _revoked)
"""The last ones, in this order: afterwards release 1 is not admitted any more."""
