"""Attacks on a sealed volume, by whoever has its folder, its processes and its custodian's network."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

from casemate.testing.stage import wait_for
from examples.first_run.attacks import custody
from examples.first_run.cast import Cast
from examples.first_run.ledger import Ledger
from examples.first_run.screen import Outcome

__all__ = [
    "away",
    "changed",
    "emptied",
    "gone",
    "hidden",
    "killed",
    "older",
    "resumed",
    "two_writers",
]

_REFUSED = 73
_STOPPED = frozenset({1, 71, 72, 73})
"""Whoever is first: redis itself, whose flush failed with EIO; the shield, whose lease ended or was revoked, or which
could not write the end of the volume."""
_AWAY = 2.5
"""Seconds: more than a third of a lease."""
_ARCHIVED = 11
"""Records that the archive's writer acknowledges while there is a custodian."""
_BLOCK = 4096


def hidden(cast: Cast) -> Outcome:
    ledger = cast.ledger
    writer = ledger.start()
    ledger.wait(writer)
    ledger.write(writer, 20)
    stored = b"".join(path.read_bytes() for path in ledger.files.iterdir())
    found = [word for word in (b"patient-canary", b"appendonly", b"INCR") if word in stored]
    names = sorted(path.name for path in ledger.files.iterdir())
    return Outcome(
        tried="Start another redis-server, append-only, each write flushed, on a strict sealed volume; write to it; "
        "look into the volume's folder for the records and the names of redis' files.",
        happened=f"{len(stored):,} bytes in {', '.join(names)}: {f'FOUND {found}' if found else 'nothing found'}.",
        why="Contents, names, sizes and structure are sealed in a few large files, under a key that the custodian "
        "released to the attested workload.",
        held=not found,
    )


def away(cast: Cast) -> Outcome:
    """For as long as the lease lasts, a strict volume waits. Leaves copies of the moment for later attacks."""
    archive, seconds = cast.archive, _AWAY
    writer = archive.start()
    archive.wait(writer)
    archive.write(writer, _ARCHIVED - 6)
    late = threading.Thread(target=lambda: archive.write(writer, 1))
    with cast.pausing_custodian():
        began = time.monotonic()
        shutil.copytree(cast.data, cast.stage.folder / custody.EARLY)
        shutil.copytree(archive.files, archive.early)
        late.start()
        late.join(timeout=seconds - (time.monotonic() - began))
        waiting = late.is_alive()
    late.join()
    archive.write(writer, 5)
    return Outcome(
        tried=f"On a second volume: stop every process of the custodian for {seconds} s, longer than until the lease "
        "is to be renewed, and write in the meantime.",
        happened=f"redis' fsync {'waited' if waiting else 'DID NOT WAIT'}, then the write was acknowledged, and the "
        "lease renewed.",
        why="On a strict volume nothing is acknowledged before the anchor has it.",
        held=waiting and writer.process.poll() is None,
    )


def gone(cast: Cast) -> Outcome:
    """What `custody.restored_together` did to the archive, which went on without a custodian and was written to."""
    archive = cast.archive
    status = archive.writers[-1].process.returncode
    kept = archive.kept()
    return Outcome(
        tried="In the attack before, the custodian was away for longer than a lease, while the second volume's writer "
        "went on, and a client wrote one more record.",
        happened=f"The writer ended with {status}. It had acknowledged {archive.acknowledged} records, the last "
        f"{'not' if archive.acknowledged == _ARCHIVED else 'TOO'}; {kept} are there.",
        why="A lease that nobody renews ends, and with it the workload and its right to write: whoever keeps the "
        "custodian away gets a service that stands still, not one that has escaped its policy.",
        held=status in _STOPPED and kept == archive.acknowledged == _ARCHIVED,
    )


def two_writers(cast: Cast) -> Outcome:
    ledger = cast.ledger
    shutil.copytree(ledger.files, ledger.early)
    ledger.link_twin()
    first, second = ledger.writers[-1], ledger.start(ledger.twin)
    wait_for("the second writer", lambda: "held" in ledger.said(second) or second.process.poll() is not None)
    said = [line for line in ledger.said(second).splitlines() if "held" in line]
    ledger.write(first, 10)
    return Outcome(
        tried="Start a second writer while the first one works: same policy, same measurements, the same files under "
        "other names, so that the lock on the folder is another one.",
        happened=f"{said[-1] if said else 'IT STARTED'}  The first one goes on.",
        why="A volume has one writer, the holder of the newest fence; another one waits for its lease to end, and "
        "longer.",
        held=bool(said) and second.process.poll() is None,
    )


def resumed(cast: Cast) -> Outcome:
    """The second writer, which waits, takes over from a first one that the host froze."""
    ledger = cast.ledger
    first, second = ledger.writers[-2:]
    frozen = ledger.signal(signal.SIGSTOP)
    late: list[str | None] = []
    client = threading.Thread(target=lambda: late.append(ledger.ask(first, "INCR patient-canary", seconds=60)))
    client.start()
    ledger.wait(second)
    os.kill(frozen, signal.SIGCONT)
    status = first.process.wait(timeout=30)
    client.join()
    ledger.files = ledger.twin
    kept = ledger.kept()
    return Outcome(
        tried="Freeze the first writer's shield, let the second take over, and wake the first one up in mid-write.",
        happened=f"It ended with {status}; its write was {'ACKNOWLEDGED' if late[0] else 'never acknowledged'}. "
        f"The second one has all {kept} acknowledged writes.",
        why="Its lease had ended, and its fence was no longer the newest: the anchor takes nothing of it.",
        held=status in _STOPPED and late[0] is None and kept == ledger.acknowledged,
    )


def killed(cast: Cast) -> Outcome:
    ledger = cast.ledger
    before = ledger.acknowledged
    writer = ledger.writers[-1]

    def write() -> None:
        while ledger.add(writer):
            pass

    client = threading.Thread(target=write)
    client.start()
    wait_for("some writes", lambda: ledger.acknowledged > before + 50)
    ledger.signal(signal.SIGKILL)
    client.join()
    kept = ledger.kept()
    return Outcome(
        tried="kill -9 the shield in the middle of a stream of writes, then let an auditor's workload read the volume.",
        happened=f"{ledger.acknowledged} writes were acknowledged, {kept} are there.",
        why="An fsync returns when the log is on the disk and the anchor at the custodian knows it; a mount replays "
        "the log up to there. The auditor's service has `mode: read`: it needs no fence and waits for nobody.",
        held=kept >= ledger.acknowledged,
    )


def changed(cast: Cast) -> Outcome:
    """In copies of the folder, so that the genuine one stays as it is."""
    ledger = cast.ledger
    attempts: dict[str, Callable[[Path], None]] = {
        "a bit in each block flipped": _flip,
        "blocks exchanged": _exchange,
        "cut short": lambda segment: os.truncate(segment, _BLOCK),
        "data of an older state": lambda segment: _copy(ledger.early / segment.name, segment),
    }
    words = [f"{name}: {_try(ledger, number, attack)}" for number, (name, attack) in enumerate(attempts.items())]
    return Outcome(
        tried=f"Change the volume's data: {', '.join(attempts)}.",
        happened="; ".join(words) + ".",
        why="The anchor knows the root, the root knows each node, each node the seal of what is below it.",
        held=all("READ" not in word for word in words),
    )


def older(cast: Cast) -> Outcome:
    ledger = cast.ledger
    told = ledger.audit(ledger.early)
    return Outcome(
        tried="Replace the whole folder by a complete older copy of itself, every seal of it genuine.",
        happened=told.said,
        why="The custodian, which attests before it is believed, remembers the newest root.",
        held=told.status == _REFUSED and not told.output,
    )


def emptied(cast: Cast) -> Outcome:
    ledger = cast.ledger
    empty = cast.stage.folder / "ledger-empty"
    told = ledger.audit(empty)
    return Outcome(
        tried="Put an empty folder in its place, as if there never had been a volume.",
        happened=told.said,
        why="A volume is made once, ever: its anchor knows whether that was.",
        held=told.status == _REFUSED and not told.output,
    )


def _try(ledger: Ledger, number: int, attack: Callable[[Path], None]) -> str:
    copy = ledger.stage.folder / f"ledger-changed-{number}"
    shutil.copytree(ledger.files, copy)
    attack(copy / "segment-00000000")
    told = ledger.audit(copy)
    if told.status == 0 and told.output.count("patient-canary") >= ledger.acknowledged:
        return "all of it was still there"
    if told.output or told.status == 0:
        return "READ"
    return "tampered" if "tampered" in told.errors else "rolled back" if "rolled back" in told.errors else told.said


def _flip(segment: Path) -> None:
    data = bytearray(segment.read_bytes())
    for offset in range(0, len(data), _BLOCK):
        data[offset] ^= 1
    segment.write_bytes(data)


def _exchange(segment: Path) -> None:
    data = segment.read_bytes()
    blocks = [data[at : at + _BLOCK] for at in range(0, len(data), _BLOCK)]
    segment.write_bytes(b"".join(reversed(blocks)))


def _copy(source: Path, target: Path) -> None:
    target.write_bytes(source.read_bytes())
