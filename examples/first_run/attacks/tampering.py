"""Attacks on what is executed: program, library, environment, and the moment between check and start."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from pathlib import Path

from casemate.manifest import library
from casemate.wire import canonical
from examples.first_run.cast import Cast
from examples.first_run.screen import Outcome

_MEASURED_FILE_DIFFERS = 65
_SWAPS = 8


def changed_program(cast: Cast) -> Outcome:
    program = str(Path("/usr/bin/redis-server").resolve())
    result, denied = _offer_changed(cast, program, "redis"), _rebuilt(cast, program)
    return Outcome(
        tried=f"Flip one bit of {program}; offer it under the genuine manifest, then under a manifest made for it.",
        happened=f"{result[1]}  Then: {denied[1]}",
        why="The shield hashes the very bytes that it copies into its private root. A manifest that names other bytes "
        "has another digest, which the platform fixed at launch and the policy does not list.",
        held=result[0] and denied[0],
    )


def changed_library(cast: Cast) -> Outcome:
    built = library.load(cast.stage.home / "manifests", cast.manifests["api"])
    libc = next(entry.path for entry in built.parsed.manifest.root if entry.path.endswith("/libc.so.6"))
    held, said = _offer_changed(cast, libc, "libc")
    return Outcome(
        tried=f"Flip one bit of {libc}.",
        happened=said,
        why="The manifest covers the whole closure: loader and libraries as well as the program.",
        held=held,
    )


def preload(cast: Cast) -> Outcome:
    hostile = cast.stage.folder / "evil.so"
    hostile.write_bytes(b"not even a library: it must never be opened")
    result = cast.stage.cli(
        "run", "acme/records#client", "--env", f"LD_PRELOAD={hostile}", "--env", "LD_LIBRARY_PATH=/tmp", stdin="PING\n"
    )
    dropped = "LD_PRELOAD" in result.errors
    opened = "ld.so" in result.errors or "ld.so" in result.output
    return Outcome(
        tried="Start redis-cli with LD_PRELOAD and LD_LIBRARY_PATH set by the host.",
        happened=f"Dropped and logged; the workload ran without them and said {result.output.strip()!r}.",
        why="What is not in the manifest does not get in. The shield is static and reads no such variable itself.",
        held=result.status == 0 and "PONG" in result.output and dropped and not opened,
    )


def swapped(cast: Cast) -> Outcome:
    genuine = Path("/usr/bin/redis-cli").resolve()
    folder = cast.stage.folder / "swap"
    folder.mkdir()
    victim, evil = folder / "redis-cli", folder / "evil"
    evil.write_bytes(_flipped(genuine))
    good = folder / "good"
    good.write_bytes(genuine.read_bytes())
    victim.write_bytes(good.read_bytes())
    manifest = _with_source(cast, "client", {str(genuine): str(victim)}, "swapped")
    stop = threading.Event()
    swapper = threading.Thread(target=_swap_for_ever, args=(victim, good, evil, stop))
    swapper.start()
    try:
        results = [cast.stage.cli("run", str(manifest), stdin="PING\n") for _ in range(_SWAPS)]
    finally:
        stop.set()
        swapper.join()
    ran = [r for r in results if r.status == 0 and "PONG" in r.output]
    refused = [r for r in results if r.status == _MEASURED_FILE_DIFFERS]
    after = _swap_after_start(cast)
    return Outcome(
        tried=f"Swap the binary back and forth as fast as the disk allows, over {_SWAPS} starts; then swap redis' own "
        "source under the running server.",
        happened=f"{len(ran)} starts ran the genuine bytes, {len(refused)} were refused, none ran anything else. "
        f"{after[1]}",
        why="Check and start see the same private copy. The host's file is read once and never executed.",
        held=len(ran) + len(refused) == _SWAPS and after[0],
    )


def _swap_after_start(cast: Cast) -> tuple[bool, str]:
    """The running redis executes the copy: its bytes are those of the manifest."""
    built = library.load(cast.stage.home / "manifests", cast.manifests["api"])
    real = str(Path("/usr/bin/redis-server").resolve())
    measured = next(e.digest for e in built.parsed.manifest.root if e.path == real and e.type == "file")
    running = Path(f"/proc/{cast.redis_pid()}/exe")
    digest = f"sha256:{hashlib.sha256(running.read_bytes()).hexdigest()}"
    same_file = running.stat().st_dev == Path(real).stat().st_dev
    return digest == measured and not same_file, "The running server executes a private copy with the measured digest."


def _swap_for_ever(victim: Path, good: Path, evil: Path, stop: threading.Event) -> None:
    number = 0
    while not stop.is_set():
        number += 1
        link = victim.with_name(f"next{number % 2}")
        link.write_bytes((evil if number % 2 else good).read_bytes())
        link.replace(victim)
        time.sleep(0.001)


def _offer_changed(cast: Cast, path: str, name: str) -> tuple[bool, str]:
    """Starts the service with one file of its root taken from a changed copy."""
    copy = cast.stage.folder / f"changed-{name}"
    copy.write_bytes(_flipped(Path(path)))
    manifest = _with_source(cast, "api", {path: str(copy)}, f"changed-{name}")
    result = cast.stage.cli("run", str(manifest))
    return result.status == _MEASURED_FILE_DIFFERS, f"The shield stopped before the workload: {result.said}"


def _rebuilt(cast: Cast, path: str) -> tuple[bool, str]:
    """A manifest that is honest about the changed file, so that the shield has nothing against it."""
    built = library.load(cast.stage.home / "manifests", cast.manifests["api"])
    changed = _flipped(Path(path))
    value = json.loads(built.parsed.data)
    for entry in value["root"]:
        if entry["path"] == path:
            entry["digest"] = f"sha256:{hashlib.sha256(changed).hexdigest()}"
    target = cast.stage.folder / "rebuilt.json"

    target.write_bytes(canonical.encode(value))
    copy = cast.stage.folder / "changed-redis"
    target.with_suffix(".sources").write_text(json.dumps({**built.sources, path: str(copy)}))
    result = cast.stage.cli("run", str(target))
    return "manifest" in result.said and result.status != 0, f"the custodian refused: {result.said}"


def _with_source(cast: Cast, service: str, sources: dict[str, str], name: str) -> Path:
    """The genuine manifest, with the host's own idea of where files are."""
    built = library.load(cast.stage.home / "manifests", cast.manifests[service])
    target = cast.stage.folder / f"{name}.json"
    target.write_bytes(built.parsed.data)
    target.with_suffix(".sources").write_text(json.dumps({**built.sources, **sources}))
    return target


def _flipped(path: Path) -> bytes:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    return bytes(data)


__all__ = ["changed_library", "changed_program", "preload", "swapped"]
