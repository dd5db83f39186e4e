"""The closure of a Python program: interpreter, standard library, packages, compiled once and reproducibly.

Inside the root everything lies below one folder, whatever the machine that built it: `PREFIX/bin`,
`PREFIX/lib/pythonX.Y` and `PREFIX/packages`. Byte code is compiled here with checked hashes (PEP 552): it is measured
like the source, and where the two are apart the interpreter compiles the measured source.
"""

from __future__ import annotations

import importlib.metadata
import py_compile
import re
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement

from casemate.errors import ManifestError
from casemate.manifest.closure import add_libraries
from casemate.manifest.root import Root, digest_file

__all__ = ["PREFIX", "add_package_folder", "add_python", "distribution_closure", "program"]

PREFIX: Final = "/opt/casemate"

_VERSION: Final = f"python{sys.version_info.major}.{sys.version_info.minor}"
_TAG: Final = sys.implementation.cache_tag
_SKIPPED_FOLDERS: Final = frozenset(
    {"__pycache__", "test", "tests", "idlelib", "tkinter", "turtledemo", "lib2to3", "ensurepip", "site-packages",
     "dist-packages", "pydoc_data", "distutils", "venv"}
)  # fmt: skip
_SKIPPED_MODULES: Final = re.compile(
    r"(_test|_ctypes_test|_xxsub|xx|_tkinter|nis|_dbm|_gdbm|_curses|readline|ossaudio)"
)


def program() -> str:
    """The interpreter's path inside the root."""
    return f"{PREFIX}/bin/{_VERSION}"


def add_python(root: Root, *, packages: Iterable[str], cache: Path) -> None:
    """Adds this interpreter, its standard library and the closure of the distributions `packages`.

    `cache` takes the compiled files; it may be kept and is checked by hash when used again.
    """
    interpreter = Path(sys.executable).resolve()
    root.add_file(interpreter, inside=program())
    add_libraries(root, interpreter)
    _add_standard_library(root, cache)
    for name in distribution_closure(packages):
        _add_distribution(root, name, cache)


def distribution_closure(names: Iterable[str]) -> list[str]:
    """`names` and all that they require here, sorted."""
    todo, found = list(names), set[str]()
    while todo:
        name = re.sub(r"[-_.]+", "-", todo.pop()).lower()
        if name in found:
            continue
        found.add(name)
        for text in importlib.metadata.requires(name) or []:
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                todo.append(requirement.name)
    return sorted(found)


def add_package_folder(root: Root, path: Path, *, base: Path, cache: Path) -> None:
    """Adds a module or a folder of modules and their data below `PREFIX/packages`, named from `base` on."""
    for source in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if source.is_file() and "__pycache__" not in source.parts:
            _add_module(root, source, f"{PREFIX}/packages/{source.relative_to(base)}", cache)


def _add_standard_library(root: Root, cache: Path) -> None:
    library = Path(sysconfig.get_path("stdlib"))
    for source in sorted(_walk(library)):
        relative = source.relative_to(library)
        if relative.parts[0] == "lib-dynload" and _SKIPPED_MODULES.match(source.name):
            continue
        if relative.parts[0].startswith("config-"):
            continue
        _add_module(root, source, f"{PREFIX}/lib/{_VERSION}/{relative}", cache)


def _walk(folder: Path) -> Iterable[Path]:
    for item in folder.iterdir():
        if item.is_dir():
            if item.name not in _SKIPPED_FOLDERS:
                yield from _walk(item)
        elif item.suffix in {".py", ".so"}:
            yield item


def _add_distribution(root: Root, name: str, cache: Path) -> None:
    distribution = importlib.metadata.distribution(name)
    files = distribution.files
    if files is None:
        raise ManifestError(f"{name} does not say which files it has", step="manifest.python", remedy="install a wheel")
    for file in files:
        source = Path(str(distribution.locate_file(file))).resolve()
        outside = file.parts[0] == ".." or "__pycache__" in file.parts or file.suffix == ".pth"
        if not outside and source.is_file():
            _add_module(root, source, f"{PREFIX}/packages/{file}", cache)


def _add_module(root: Root, source: Path, inside: str, cache: Path) -> None:
    root.add_file(source, inside=inside)
    if source.suffix == ".so":
        add_libraries(root, source)
    if source.suffix == ".py":
        folder, _, stem = inside.removesuffix(".py").rpartition("/")
        target = f"{folder}/__pycache__/{stem}.{_TAG}.pyc"
        root.add_file(_compiled(source, inside, cache), inside=target)


def _compiled(source: Path, inside: str, cache: Path) -> Path:
    """Byte code that names the path inside the root and carries the hash of its source."""
    digest = digest_file(source)[0].removeprefix("sha256:")
    target = cache / f"{digest}-{re.sub(r'[^A-Za-z0-9_.]', '_', inside)[-120:]}.{_TAG}.pyc"
    if not target.exists():
        cache.mkdir(parents=True, exist_ok=True)
        try:
            py_compile.compile(
                str(source),
                cfile=str(target),
                dfile=inside,
                doraise=True,
                invalidation_mode=py_compile.PycInvalidationMode.CHECKED_HASH,
            )
        except py_compile.PyCompileError as error:
            raise ManifestError(f"{source} does not compile: {error.msg}", step="manifest.python") from error
    return target
