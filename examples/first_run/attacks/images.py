"""Attacks on a protected image, by whoever has the registry, the engine and the network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from casemate.testing.stage import Result
from examples.first_run.clinic import NAME, PASSWORD, TEXT, Clinic
from examples.first_run.screen import Outcome

__all__ = ["ATTACKS"]

_REFUSED = 67
_SILENT = 68
_CUT = 111
_BLOCK = 4096


def hidden(clinic: Clinic) -> Outcome:
    words = {
        "content": TEXT.strip(),
        "a file's name": NAME.encode(),
        "the password": PASSWORD.encode(),
        "the program": b"BusyBox v1",
    }
    files = list(clinic.stored())
    found = sorted(what for what, word in words.items() if any(word in path.read_bytes() for path in files))
    return Outcome(
        tried="Search every file that the host keeps of the protected image for its content, its names, its password.",
        happened=f"{len(files)} files: {f'FOUND {found}' if found else 'nothing found'}.",
        why="Layers are file systems that are encrypted block by block under a key that only the policy releases.",
        held=not found,
    )


def altered(clinic: Clinic) -> Outcome:
    image, told = clinic.pull("1"), []
    for copies in clinic.layers():
        kept = {path: path.read_bytes() for path in copies}
        for path, data in kept.items():
            changed = bytearray(data)
            changed[_BLOCK::_BLOCK] = bytes(byte ^ 1 for byte in changed[_BLOCK::_BLOCK])
            path.write_bytes(changed)
        told.append(clinic.run(image))
        for path, data in kept.items():
            path.write_bytes(data)
    held = bool(told) and all(one.status != 0 and one.output == "" for one in told)
    return Outcome(
        tried="Flip a bit in each block of a layer, one layer after the other, and start the image.",
        happened=f"{_counted(told)}; not a byte of it came out: {told[-1].said}",
        why="Every piece that is read is verified along a tree of hashes up to the root that the manifest names.",
        held=held,
    )


def exchanged(clinic: Clinic) -> Outcome:
    older = clinic.pull("1")
    clinic.protect("2", b"version 2\n")
    told, newer = clinic.run(older), clinic.run(clinic.pull("2"))
    return Outcome(
        tried="The policy admits the next version; start the old image in its place.",
        happened=f"status {told.status}: {told.said} The new one: status {newer.status}.",
        why="A policy names the manifest that it admits, and the manifest the roots of all layers. A name counts for "
        "nothing.",
        held=(told.status, told.output) == (_REFUSED, "") and newer.status == 0,
    )


def alone(clinic: Clinic) -> Outcome:
    told = clinic.run(clinic.pull("2"), port=9)
    return Outcome(
        tried="Keep the image away from its custodian.",
        happened=f"status {told.status}: {told.said}",
        why="The key of the layers is nowhere on this host. Absence never means acceptance.",
        held=(told.status, told.output) == (_SILENT, ""),
    )


def logged(clinic: Clinic) -> Outcome:
    clinic.seal_output()
    ran = clinic.run(clinic.pull("2"))
    whole = clinic.read_output(ran.output)
    first, *rest = ran.output.splitlines(keepends=True)
    cut = clinic.read_output("".join([first, *rest[1:]]))
    noticed = next((line for line in cut.errors.splitlines() if "missing" in line), cut.said)
    leaked = PASSWORD in ran.output + ran.errors
    return Outcome(
        tried="The program prints the password. Read the log, then take a line out of it.",
        happened=f"{len(rest) + 1} lines, {'the password is THERE' if leaked else 'no password'}; its owner reads all "
        f"of it (status {whole.status}), and of the shorter log: status {cut.status}: {noticed}",
        why="The policy has the output sealed: it leaves the domain as numbered lines under a key of its owner.",
        held=not leaked and (whole.status, cut.status) == (0, _CUT) and PASSWORD in whole.output,
    )


def _counted(told: list[Result]) -> str:
    return f"{sum(one.status != 0 for one in told)} of {len(told)} starts failed"


ATTACKS: Final[tuple[tuple[str, str, Callable[[Clinic], Outcome]], ...]] = (
    ("p1", "reading a protected image", hidden),
    ("p2", "altered layers", altered),
    ("p3", "an older image under the same name", exchanged),
    ("p4", "no custodian", alone),
    ("p5", "reading and shortening the log", logged),
)
