"""What a program needs to run: its loader and libraries; for a script, its interpreter.

The dynamic loader itself is asked (`ld.so --list`), so search paths, caches and `$ORIGIN` mean what they will mean.
It maps the program and does not run it. What a program opens by name at run time is not seen: name it with `--include`.
"""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
from pathlib import Path
from typing import Final

from casemate.errors import ManifestError
from casemate.manifest.root import Root

__all__ = ["add_libraries", "add_program"]

_ELF: Final = b"\x7fELF"
_PT_INTERP: Final = 3
_LISTED: Final = re.compile(r"^\s*(?:\S+ => )?(?P<path>/\S+) \(0x[0-9a-f]+\)$")
_MAX_SHEBANG: Final = 256  # Linux reads that many bytes of a script's first line (BINPRM_BUF_SIZE)
_MAX_INTERPRETERS: Final = 4  # as deep as Linux follows interpreters that are scripts


def add_program(root: Root, program: Path, *, depth: int = 0) -> None:
    """Adds `program` and all that loading it needs."""
    if depth > _MAX_INTERPRETERS:
        raise ManifestError(f"{program}: interpreters of interpreters", step="manifest.interpreter")
    root.add_path(program)
    with program.open("rb") as file:
        head = file.read(_MAX_SHEBANG)
    if head.startswith(_ELF):
        add_libraries(root, program)
    elif head.startswith(b"#!"):
        for interpreter in _interpreters(program, head):
            add_program(root, interpreter, depth=depth + 1)
    else:
        raise ManifestError(
            f"{program} is neither an ELF program nor a script that names its interpreter",
            step="manifest.program",
            remedy="name the interpreter as the program, and the file as its argument with --include",
        )


def add_libraries(root: Root, binary: Path) -> None:
    """Adds loader and libraries of an ELF file; nothing for a static one."""
    loader = _program_interpreter(binary) or _default_loader(binary)
    if loader is None:
        return
    root.add_path(loader)
    for library in _listed(loader, binary):
        root.add_path(library)


def _listed(loader: Path, binary: Path) -> list[Path]:
    result = subprocess.run(
        [str(loader), "--list", str(binary.resolve())], capture_output=True, text=True, check=False, env={}, timeout=30
    )
    if "statically linked" in result.stdout:
        return []
    missing = [line.strip() for line in result.stdout.splitlines() if "not found" in line]
    if result.returncode != 0 or missing:
        raise ManifestError(
            f"{binary}: the loader finds not all libraries: {'; '.join(missing) or result.stderr.strip()[:300]}",
            step="manifest.libraries",
            remedy="install what is missing, then build again",
        )
    return [Path(match["path"]) for line in result.stdout.splitlines() if (match := _LISTED.match(line))]


def _program_interpreter(binary: Path) -> Path | None:
    """PT_INTERP of an ELF64 little-endian file (ELF specification, program header), None for static ones."""
    with binary.open("rb") as file:
        header = file.read(64)
        if len(header) < 64 or header[4:6] != b"\x02\x01":
            raise ManifestError(f"{binary} is not a 64-bit little-endian program", step="manifest.elf")
        offset, size, count = struct.unpack_from("<Q", header, 32)[0], *struct.unpack_from("<HH", header, 54)
        for index in range(min(count, 512)):
            file.seek(offset + index * size)
            entry = file.read(56)
            if len(entry) == 56 and struct.unpack_from("<I", entry)[0] == _PT_INTERP:
                start, length = struct.unpack_from("<Q", entry, 8)[0], struct.unpack_from("<Q", entry, 32)[0]
                file.seek(start)
                return Path(file.read(min(length, 4096)).rstrip(b"\0").decode())
    return None


def _default_loader(binary: Path) -> Path | None:
    """For shared objects, which name no interpreter: the loader of this machine's own programs."""
    if ".so" not in binary.name:
        return None
    return _program_interpreter(Path("/bin/sh").resolve())


def _interpreters(script: Path, head: bytes) -> list[Path]:
    words = head.split(b"\n", 1)[0][2:].decode(errors="replace").split()
    if not words or not words[0].startswith("/"):
        raise ManifestError(f"{script}: its first line names no absolute interpreter", step="manifest.interpreter")
    first = Path(words[0])
    if first.name != "env" or len(words) < 2:
        return [first]
    found = shutil.which(words[1], path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
    if found is None:
        raise ManifestError(f"{script}: no {words[1]} on the standard path", step="manifest.interpreter")
    return [first, Path(found)]
