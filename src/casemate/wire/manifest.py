"""The launch manifest (spec/manifest.md): what one trust domain runs. Its digest is the workload's identity."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Discriminator, Field, model_validator

from casemate.errors import MalformedError, ManifestError
from casemate.wire import canonical
from casemate.wire.binding import sha256_text
from casemate.wire.fields import FormatOne, HoleName, Model, PolicyName, ServiceName, Sha256
from casemate.wire.release import User

__all__ = [
    "HOLE_REFERENCE",
    "MAX_MANIFEST_BYTES",
    "MAX_ROOT_ENTRIES",
    "Directory",
    "File",
    "Hole",
    "Manifest",
    "Mount",
    "ParsedManifest",
    "PolicyBinding",
    "RootEntry",
    "Symlink",
    "Writable",
    "holes_in",
    "is_loader_variable",
    "parse_manifest",
]

MAX_MANIFEST_BYTES: Final = 16 * 1024 * 1024
MAX_ROOT_ENTRIES: Final = 100_000
MAX_PATH_BYTES: Final = 4095

HOLE_REFERENCE: Final = re.compile(r"\{\{ hole\.([A-Za-z_][A-Za-z0-9_]{0,63}) \}\}")
_RESERVED: Final = ("/proc", "/dev", "/sys", "/run/casemate")
_LOADER_PREFIXES: Final = (
    "LD_", "DYLD_", "PYTHON", "PERL", "RUBY", "NODE_", "JAVA_", "JDK_", "LUA_", "GCONV_", "MALLOC_", "BASH_",
)  # fmt: skip
_LOADER_NAMES: Final = frozenset(
    {"GLIBC_TUNABLES", "ENV", "CLASSPATH", "LOCPATH", "NLSPATH", "IFS", "PATH", "_JAVA_OPTIONS"}
)


def is_loader_variable(name: str) -> bool:
    """Whether a variable steers loaders or interpreters, so that no hole may fill it."""
    return name.startswith(_LOADER_PREFIXES) or name in _LOADER_NAMES


def holes_in(text: str) -> list[str]:
    """Names of the holes that `text` refers to, in order; a stray `{{` is an error."""
    names = HOLE_REFERENCE.findall(text)
    if "{{" in HOLE_REFERENCE.sub("", text):
        raise ValueError("'{{' that is not a '{{ hole.NAME }}'")
    return names


def _check_path(path: str) -> str:
    if not path.startswith("/") or path == "/":
        raise ValueError("not an absolute path below /")
    if len(path.encode()) > MAX_PATH_BYTES or any(ord(c) < 0x20 or ord(c) == 0x7F for c in path):
        raise ValueError("too long, or with control characters")
    if any(part in {"", ".", ".."} for part in path[1:].split("/")):
        raise ValueError("not normalised: '//', '.', '..' or a slash at the end")
    if any(path == reserved or path.startswith(reserved + "/") for reserved in _RESERVED):
        raise ValueError("a place that the shield makes itself")
    return path


def _check_text(text: str) -> str:
    if "\0" in text:
        raise ValueError("holds a NUL")
    return text


Path = Annotated[str, AfterValidator(_check_path)]
Text = Annotated[str, AfterValidator(_check_text)]
Mode = Annotated[str, Field(pattern=r"^0[0-7]{3}$")]
TmpfsMode = Annotated[str, Field(pattern=r"^[01][0-7]{3}$")]
VariableName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,127}$")]


class File(Model):
    path: Path
    type: Literal["file"]
    digest: Sha256
    size: Annotated[int, Field(ge=0)]
    mode: Mode


class Symlink(Model):
    path: Path
    type: Literal["symlink"]
    target: Annotated[Text, Field(min_length=1, max_length=MAX_PATH_BYTES)]


class Directory(Model):
    path: Path
    type: Literal["directory"]
    mode: Mode


RootEntry = Annotated[File | Symlink | Directory, Discriminator("type")]


class Writable(Model):
    path: Path
    mode: TmpfsMode
    size: Annotated[int, Field(ge=4096, le=2**40)]


class Mount(Model):
    path: Path
    access: Literal["read", "write"]


class Hole(Model):
    pattern: Annotated[str, Field(min_length=1, max_length=256)]
    from_: Annotated[Literal["policy", "host"], Field(alias="from")]


class PolicyBinding(Model):
    name: PolicyName
    genesis: Sha256
    service: ServiceName


class Manifest(Model):
    casemate_manifest: FormatOne
    role: Literal["workload", "custodian"]
    custodian: Sha256 | None = None
    policy: PolicyBinding | None = None
    root: Annotated[list[RootEntry], Field(max_length=MAX_ROOT_ENTRIES)]
    writable: Annotated[list[Writable], Field(max_length=64)]
    mounts: Annotated[list[Mount], Field(max_length=16)]
    files: Annotated[list[Path], Field(max_length=64)]
    entrypoint: Annotated[list[Text], Field(min_length=1, max_length=64)]
    arguments: Annotated[list[Text], Field(max_length=1024)]
    environment: Annotated[dict[VariableName, Text], Field(max_length=1024)]
    holes: Annotated[dict[HoleName, Hole], Field(max_length=64)]
    user: User | None = None
    working_directory: str

    @model_validator(mode="after")
    def _whole(self) -> Manifest:
        _check_role(self)
        _check_tree(self)
        _check_holes(self)
        return self


@dataclass(frozen=True, slots=True)
class ParsedManifest:
    """A manifest, its bytes as measured, and their digest."""

    manifest: Manifest
    data: bytes
    digest: str

    @classmethod
    def build(cls, manifest: Manifest) -> ParsedManifest:
        data = canonical.encode(manifest.to_object())
        if len(data) > MAX_MANIFEST_BYTES:
            raise ManifestError(
                "the manifest is too large", expected=f"≤ {MAX_MANIFEST_BYTES} bytes", got=str(len(data))
            )
        return cls(manifest, data, sha256_text(data))


def parse_manifest(data: bytes) -> ParsedManifest:
    """Strict inverse of `ParsedManifest.build`; an `InputError` otherwise."""
    value = canonical.decode_canonical(data, limit=MAX_MANIFEST_BYTES)
    manifest = canonical.parse_model(Manifest, value, what="manifest")
    if canonical.encode(manifest.to_object()) != data:
        # An explicit null, for instance: allowed by JSON, but a second spelling of absence.
        raise MalformedError("manifest: a field is spelled in a way that casemate would not", step="manifest.spelling")
    return ParsedManifest(manifest, data, sha256_text(data))


def _check_role(manifest: Manifest) -> None:
    bound = (manifest.custodian is not None, manifest.policy is not None)
    if manifest.role == "workload" and bound != (True, True):
        raise ValueError("a workload names its custodian and its policy")
    if manifest.role == "custodian" and (bound != (False, False) or manifest.user is None):
        raise ValueError("a custodian names no custodian and no policy, and says its user")
    if not manifest.working_directory.startswith("/"):
        raise ValueError("working_directory is not absolute")


def _check_tree(manifest: Manifest) -> None:
    _sorted([entry.path for entry in manifest.root], "root")
    _sorted([entry.path for entry in manifest.writable], "writable")
    _sorted([entry.path for entry in manifest.mounts], "mounts")
    _sorted(manifest.files, "files")
    leaves = {entry.path for entry in manifest.root if not isinstance(entry, Directory)}
    for entry in manifest.root:
        if any(parent in leaves for parent in _parents(entry.path)):
            raise ValueError(f"root: {entry.path} lies below a file or a link")
    _check_overlays(manifest, leaves)
    program = manifest.entrypoint[0]
    if program not in leaves:
        raise ValueError("entrypoint: the program is not a file or link of root")


def _check_overlays(manifest: Manifest, leaves: set[str]) -> None:
    covers = [entry.path for entry in manifest.writable] + [entry.path for entry in manifest.mounts]
    _sorted(sorted(covers), "writable and mounts")
    root = {entry.path for entry in manifest.root}
    for path in (*covers, *manifest.files):
        if any(parent in leaves for parent in (path, *_parents(path))):
            raise ValueError(f"{path} lies on or below a file or a link of root")
    for path in covers:
        if any(parent in covers for parent in _parents(path)):
            raise ValueError(f"{path} lies in another writable or mount")
    for cover in covers:
        if any(path.startswith(cover + "/") for path in root):
            raise ValueError(f"{cover} would hide files of root")
    for path in manifest.files:
        if not path.startswith("/run/") or path in root or any(parent in covers for parent in (path, *_parents(path))):
            raise ValueError(f"files: {path} must lie below /run, outside writables and mounts")
        if any(parent in manifest.files for parent in _parents(path)):
            raise ValueError(f"files: {path} lies below another file")


def _check_holes(manifest: Manifest) -> None:
    used: set[str] = set()
    for argument in manifest.arguments:
        used.update(holes_in(argument))
    for name, value in manifest.environment.items():
        names = holes_in(value)
        if names and is_loader_variable(name):
            raise ValueError(f"environment: {name} steers a loader and is never filled from a hole")
        used.update(names)
    if any("{{" in part for part in manifest.entrypoint):
        raise ValueError("entrypoint has no holes")
    if missing := sorted(used - set(manifest.holes)):
        raise ValueError(f"holes: {', '.join(missing)} is used but not declared")
    if unused := sorted(set(manifest.holes) - used):
        raise ValueError(f"holes: {', '.join(unused)} is declared but not used")


def _sorted(paths: list[str], where: str) -> None:
    # Code-point order, as both languages sort strings.
    if any(a >= b for a, b in pairwise(paths)):
        raise ValueError(f"{where}: not sorted by path, or a path twice")


def _parents(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:n]) for n in range(2, len(parts))]
