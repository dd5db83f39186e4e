"""Looking for the secrets everywhere that root can look without reading a protected domain's memory. And then there."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from examples.first_run.cast import Cast
from examples.first_run.screen import Outcome

_MEMORY_FILES: Final = (Path("/dev/shm"), Path("/run"))  # noqa: S108 - looked at, not written
_LIMIT: Final = 256 * 1024 * 1024


def grep(cast: Cast) -> Outcome:
    secrets = _secrets(cast)
    places = {
        "files": _files(cast),
        "memory files": (path for folder in _MEMORY_FILES for path in _below(folder)),
        "open memory files": _memfds(),
    }
    counts, hits = {}, []
    for name, paths in places.items():
        found, counts[name] = _search(paths, secrets)
        hits += found
    listing = subprocess.run(["ps", "axeww", "-o", "args"], capture_output=True, check=True).stdout
    hits += [f"ps: {name}" for name, secret in secrets.items() if secret in listing]
    found, counts["command lines and environments"] = _search(_processes(), secrets)
    hits += found
    counted = ", ".join(f"{number} {name}" for name, number in counts.items())
    return Outcome(
        tried="Look for the password and the private key (as text, as DER, as hex) in the database, in every file "
        "below the demo's folder, in memory files, in ps, /proc/PID/cmdline, /proc/PID/environ and in all logs.",
        happened=f"Searched {counted}, and ps: " + (f"FOUND in {', '.join(hits)}" if hits else "nothing found."),
        why="At rest they are encrypted under a key that the platform seals; on the wire to an attested key; the "
        "workload's files are on a private tmpfs that cannot swap and that no other mount name space sees.",
        held=not hits and all(counts.values()),
    )


def read_memory(cast: Cast) -> Outcome:
    """The one that succeeds."""
    secrets = _secrets(cast)
    pid = cast.redis_pid()
    found = sorted(name for name in ("password", "private key") if _in_memory(pid, secrets[name]))
    return Outcome(
        tried=f"As root, read /proc/{pid}/mem of the running redis-server.",
        happened=f"Found: {', '.join(found) or 'nothing'}.",
        why="The simulated platform is ordinary memory on an ordinary machine. It shows everything but this one "
        "protection; SEV-SNP, TDX or SGX hardware is what keeps root out of the memory. Use it with real secrets "
        "only there.",
        held=found == ["password", "private key"],
    )


def _secrets(cast: Cast) -> dict[str, bytes]:
    """What to look for: taken from the workload's private root, the way that only works on this platform."""
    root = Path(f"/proc/{cast.redis_pid()}/root/run/redis")
    pem = (root / "key.pem").read_bytes()
    password = re.search(rb"requirepass (\S+)", (root / "redis.conf").read_bytes())
    assert password is not None
    key = load_pem_private_key(pem, None)
    assert isinstance(key, EllipticCurvePrivateKey)
    scalar = key.private_numbers().private_value.to_bytes(32, "big")
    lines = pem.splitlines()
    return {
        "password": password[1],
        "private key as text": lines[1],
        "private key": scalar,
        "private key as hex": scalar.hex().encode(),
        "password as hex": password[1].hex().encode(),
    }


def _files(cast: Cast) -> Iterator[Path]:
    yield from _below(cast.stage.folder)


def _below(folder: Path) -> Iterator[Path]:
    for base, _, names in os.walk(folder):
        yield from (Path(base) / name for name in names)


def _memfds() -> Iterator[Path]:
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if os.readlink(link).startswith("/memfd:"):
                yield link
        except OSError:
            continue


def _processes() -> Iterator[Path]:
    for process in Path("/proc").glob("[0-9]*"):
        yield process / "cmdline"
        yield process / "environ"


def _search(paths: Iterator[Path], secrets: dict[str, bytes]) -> tuple[list[str], int]:
    hits, count = [], 0
    for path in paths:
        try:
            if not (path.is_file() and os.access(path, os.R_OK)):
                continue
            with path.open("rb") as file:
                data = file.read(_LIMIT)
        except OSError:
            continue
        count += 1
        hits += [f"{path}: {name}" for name, secret in secrets.items() if secret in data]
    return hits, count


def _in_memory(pid: int, secret: bytes) -> bool:
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in maps:
            span, rights = line.split()[:2]
            if not rights.startswith("rw") or "[v" in line:
                continue
            start, end = (int(part, 16) for part in span.split("-"))
            try:
                memory.seek(start)
                if secret in memory.read(min(end - start, _LIMIT)):
                    return True
            except OSError:
                continue
    return False


__all__ = ["grep", "read_memory"]
