"""Looking for the secrets everywhere that root can look without reading a protected domain's memory. And then there."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from examples.first_run.cast import Cast
from examples.first_run.screen import Outcome

_MEMORY_FILES: Final = (Path("/dev/shm"), Path("/run"))  # noqa: S108 - looked at, not written
_PLACES: Final = frozenset({"files", "memory files", "open memory files", "command lines", "environments", "ps"})
_CANARY: Final = "canary"
_LIMIT: Final = 256 * 1024 * 1024


def grep(cast: Cast) -> Outcome:
    secrets = _secrets(cast)
    with _planted(cast.stage.folder) as canary:
        hits, counts = _search_everywhere(cast, {**secrets, _CANARY: canary})
    found_canaries = {place for place, name in hits if name == _CANARY}
    leaks = [f"{place}: {name}" for place, name in hits if name != _CANARY]
    counted = ", ".join(f"{number} {name}" for name, number in counts.items())
    return Outcome(
        tried="Look for the password and the private key (as text, as a number, as hex) in the database, in every file "
        "below the demo's folder (logs among them), in memory files, in ps, /proc/PID/cmdline and /proc/PID/environ.",
        happened=f"Searched {counted}: {f'FOUND in {leaks}' if leaks else 'nothing found'}. A canary, planted to test "
        f"the search, was found in {len(found_canaries)} of {len(_PLACES)} kinds of places.",
        why="At rest they are encrypted under a key that the platform seals; on the wire to an attested key; the "
        "workload's files are on a private tmpfs that cannot swap and that no other mount name space sees. (redis-cli "
        "takes its password from its environment, as ever: while it runs that is memory, and the next attack's.)",
        held=not leaks and found_canaries == _PLACES,
    )


@contextmanager
def _planted(folder: Path) -> Iterator[bytes]:
    """A random word in one place of each kind, so that a search that finds nothing is known to search."""
    word = token_hex(16)
    (folder / "canary").write_text(word)
    (_MEMORY_FILES[0] / "casemate-demo-canary").write_text(word)
    memory = os.memfd_create("canary")
    os.write(memory, word.encode())
    process = subprocess.Popen(["sleep", "60"], env={"CANARY": word}, executable="/bin/sleep")
    named = subprocess.Popen([f"sleep-{word}", "60"], executable="/bin/sleep")
    try:
        yield word.encode()
    finally:
        for started in (process, named):
            started.kill()
            started.wait()
        os.close(memory)
        (_MEMORY_FILES[0] / "casemate-demo-canary").unlink()
        (folder / "canary").unlink()


def _search_everywhere(cast: Cast, words: dict[str, bytes]) -> tuple[list[tuple[str, str]], dict[str, int]]:
    """Kinds of places where words were found, with the words' names; and how many places of each kind there were."""
    places = {
        "files": _below(cast.stage.folder),
        "memory files": (path for folder in _MEMORY_FILES for path in _below(folder)),
        "open memory files": _memfds(),
        "command lines": Path("/proc").glob("[0-9]*/cmdline"),
        "environments": Path("/proc").glob("[0-9]*/environ"),
    }
    hits, counts = [], {}
    for kind, paths in places.items():
        found, counts[kind] = _search(paths, words)
        hits += [(kind, name) for name in found]
    listing = subprocess.run(["ps", "axeww", "-o", "args"], capture_output=True, check=True).stdout
    hits += [("ps", name) for name, word in words.items() if word in listing]
    return hits, {**counts, "ps lines": listing.count(b"\n")}


def read_memory(cast: Cast) -> Outcome:
    """The one that succeeds."""
    secrets = _secrets(cast)
    pid = cast.redis_pid()
    found = [name for name in ("password", "private key") if _in_memory(pid, secrets[name])]
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
        "private key": scalar[::-1],  # as OpenSSL holds a number: least significant word first
        "private key, other order": scalar,
        "private key as hex": scalar.hex().encode(),
        "password as hex": password[1].hex().encode(),
    }


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


def _search(paths: Iterable[Path], words: dict[str, bytes]) -> tuple[list[str], int]:
    """Names of words that were found, and how many files were read."""
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
        hits += [name for name, word in words.items() if word in data]
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
