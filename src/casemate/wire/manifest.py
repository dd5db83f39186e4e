"""The launch manifest (spec/manifest.md): what one trust domain runs. Its digest is the workload's identity."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Final, Literal, get_args

from pydantic import AfterValidator, Discriminator, Field, model_validator

from casemate.errors import ManifestError
from casemate.wire import canonical
from casemate.wire.binding import sha256_text
from casemate.wire.fields import MAX_INTEGER, FormatOne, HoleName, Model, PolicyName, ServiceName, Sha256, is_plain
from casemate.wire.patterns import MAX_PATTERN, Pattern
from casemate.wire.release import User

__all__ = [
    "CAPABILITIES",
    "HOLE_REFERENCE",
    "MAX_CERTIFICATE_SECONDS",
    "MAX_CHECK_MILLISECONDS",
    "MAX_LAYERS",
    "MAX_MANIFEST_BYTES",
    "MAX_ROOT_ENTRIES",
    "MAX_VOLUMES",
    "MIN_CERTIFICATE_SECONDS",
    "Directory",
    "File",
    "HealthCheck",
    "Hole",
    "Image",
    "Manifest",
    "Mount",
    "ParsedManifest",
    "Path",
    "PolicyBinding",
    "RaTlsPlace",
    "RootEntry",
    "Symlink",
    "VolumePlace",
    "Writable",
    "holes_in",
    "is_loader_variable",
    "parse_manifest",
]

MAX_MANIFEST_BYTES: Final = 16 * 1024 * 1024
MAX_ROOT_ENTRIES: Final = 100_000
MAX_PATH_BYTES: Final = 4095
MAX_VOLUMES: Final = 16
"""Places of sealed volumes in one domain; as many as mounts."""
MAX_LAYERS: Final = 128
"""Of one image, as many as container engines take."""
MAX_CHECK_MILLISECONDS: Final = 3_600_000
"""Of one health check: an hour."""
MIN_CERTIFICATE_SECONDS: Final = 60
MAX_CERTIFICATE_SECONDS: Final = 24 * 60 * 60
"""Of a certificate over evidence: a day, as those who verify it take at most."""
Capability = Literal["chown", "dac_override", "fowner", "fsetid", "kill", "net_bind_service", "setgid", "setuid"]
CAPABILITIES: Final[tuple[Capability, ...]] = get_args(Capability)
"""What a workload that starts as user 0 may keep (capabilities(7)), by name and in this order."""

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
    names: list[str] = []
    position = 0
    while (start := text.find("{{", position)) >= 0:
        reference = HOLE_REFERENCE.match(text, start)
        if reference is None:
            raise ValueError("'{{' that is not a '{{ hole.NAME }}'")
        names.append(reference[1])
        position = reference.end()
    return names


def _check_path(path: str) -> str:
    if path == "/":
        raise ValueError("not an absolute path below /")
    _check_folder(path)
    if any(path == reserved or path.startswith(reserved + "/") for reserved in _RESERVED):
        raise ValueError("a place that the shield makes itself")
    return path


def _check_folder(path: str) -> str:
    if not path.startswith("/"):
        raise ValueError("not an absolute path")
    if len(path.encode()) > MAX_PATH_BYTES:
        raise ValueError(f"longer than {MAX_PATH_BYTES} bytes")
    if not is_plain(path):
        raise ValueError("a character that does not show: a control character, or one that moves its neighbours")
    if path != "/" and any(part in {"", ".", ".."} for part in path[1:].split("/")):
        raise ValueError("not normalised: '//', '.', '..' or a slash at the end")
    return path


def _check_target(target: str) -> str:
    if not 1 <= len(target.encode()) <= MAX_PATH_BYTES:
        raise ValueError(f"not 1 to {MAX_PATH_BYTES} bytes")
    return target


def _check_pattern(pattern: str) -> str:
    Pattern.parse(pattern)
    return pattern


def _check_text(text: str) -> str:
    if "\0" in text:
        raise ValueError("holds a NUL")
    return text


Path = Annotated[str, AfterValidator(_check_path)]
Folder = Annotated[str, AfterValidator(_check_folder)]
Text = Annotated[str, AfterValidator(_check_text)]
Mode = Annotated[str, Field(pattern=r"^0[0-7]{3}$")]
TmpfsMode = Annotated[str, Field(pattern=r"^[01][0-7]{3}$")]
VariableName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,127}$")]


class File(Model):
    path: Path
    type: Literal["file"]
    digest: Sha256
    size: Annotated[int, Field(ge=0, le=MAX_INTEGER)]
    mode: Mode


class Symlink(Model):
    path: Path
    type: Literal["symlink"]
    target: Annotated[Text, AfterValidator(_check_target), Field(min_length=1, max_length=MAX_PATH_BYTES)]


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


class VolumePlace(Model):
    """Where a sealed volume is mounted; which one, and how, is the policy's to say."""

    path: Path


class Image(Model):
    """The private root as sealed layers (spec/image-format.md), by their roots, from the bottom up."""

    layers: Annotated[list[Sha256], Field(min_length=1, max_length=MAX_LAYERS)]
    protection: Literal["encrypted", "authenticated"]
    writable: Annotated[int, Field(ge=4096, le=2**40)] | None = None


class HealthCheck(Model):
    """How a container engine may learn whether the workload is well. `timeout` is in milliseconds."""

    command: Annotated[list[Text], Field(min_length=1, max_length=64)]
    timeout: Annotated[int, Field(ge=1, le=MAX_CHECK_MILLISECONDS)]


class RaTlsPlace(Model):
    """The folder of a TLS certificate over evidence, and of its key, that the shield makes (spec/ra-tls.md). `lifetime`
    is in seconds; `reload` is the signal that the workload gets when there is a new one.
    """

    path: Path
    lifetime: Annotated[int, Field(ge=MIN_CERTIFICATE_SECONDS, le=MAX_CERTIFICATE_SECONDS)]
    reload: Literal["hup", "usr1", "usr2"] | None = None


class Hole(Model):
    pattern: Annotated[str, AfterValidator(_check_pattern), Field(min_length=1, max_length=MAX_PATTERN)]
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
    image: Image | None = None
    writable: Annotated[list[Writable], Field(max_length=64)]
    mounts: Annotated[list[Mount], Field(max_length=16)]
    volumes: Annotated[list[VolumePlace], Field(min_length=1, max_length=MAX_VOLUMES)] | None = None
    files: Annotated[list[Path], Field(max_length=64)]
    health: HealthCheck | None = None
    ra_tls: RaTlsPlace | None = None
    entrypoint: Annotated[list[Text], Field(min_length=1, max_length=64)]
    arguments: Annotated[list[Text], Field(max_length=1024)]
    environment: Annotated[dict[VariableName, Text], Field(max_length=1024)]
    holes: Annotated[dict[HoleName, Hole], Field(max_length=64)]
    user: User | None = None
    capabilities: Annotated[list[Capability], Field(min_length=1, max_length=len(CAPABILITIES))] | None = None
    working_directory: Folder

    @property
    def volume_paths(self) -> list[str]:
        """Where sealed volumes are mounted, sorted."""
        return [place.path for place in self.volumes or ()]

    @model_validator(mode="after")
    def _whole(self) -> Manifest:
        _check_role(self)
        _check_image(self)
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
    manifest = canonical.parse_record(Manifest, data, what="manifest", limit=MAX_MANIFEST_BYTES)
    return ParsedManifest(manifest, data, sha256_text(data))


def _check_role(manifest: Manifest) -> None:
    bound = (manifest.custodian is not None, manifest.policy is not None)
    if manifest.role == "workload" and bound != (True, True):
        raise ValueError("a workload names its custodian and its policy")
    if manifest.role == "custodian" and (bound != (False, False) or manifest.user is None):
        raise ValueError("a custodian names no custodian and no policy, and says its user")
    if manifest.role == "custodian" and manifest.volumes is not None:
        raise ValueError("a custodian has no volumes: nobody releases their keys to it")
    if manifest.role == "custodian" and manifest.health is not None:
        raise ValueError("a custodian has no health check: it answers over the network whether it is ready")
    if manifest.role == "custodian" and (manifest.image is not None or manifest.capabilities is not None):
        raise ValueError("a custodian has no image and no capabilities: its root is a list of files")
    if manifest.role == "custodian" and manifest.ra_tls is not None:
        raise ValueError("a custodian's certificate is not its shield's: it makes one itself")


def _check_image(manifest: Manifest) -> None:
    if manifest.capabilities is not None and any(a >= b for a, b in pairwise(manifest.capabilities)):
        raise ValueError("capabilities: not sorted, or one twice")
    if manifest.image is None:
        return
    if manifest.root:
        raise ValueError("root: the layers of image are the whole root")
    if len(set(manifest.image.layers)) != len(manifest.image.layers):
        raise ValueError("image: a layer twice")


def _check_tree(manifest: Manifest) -> None:
    _sorted([entry.path for entry in manifest.root], "root")
    _sorted([entry.path for entry in manifest.writable], "writable")
    _sorted([entry.path for entry in manifest.mounts], "mounts")
    _sorted(manifest.volume_paths, "volumes")
    _sorted(manifest.files, "files")
    leaves = {entry.path for entry in manifest.root if not isinstance(entry, Directory)}
    folders: set[str] = set()
    for entry in manifest.root:
        parents = _parents(entry.path)
        if not leaves.isdisjoint(parents):
            raise ValueError(f"root: {entry.path} lies below a file or a link")
        folders.update(parents)
    covers = _check_covers(manifest, leaves, folders)
    folders.update(parent for cover in covers for parent in _parents(cover))
    _check_files(manifest, leaves, folders, covers)
    _check_program(manifest, "entrypoint", manifest.entrypoint, leaves)
    if manifest.health is not None:
        _check_program(manifest, "health.command", manifest.health.command, leaves)


def _check_program(manifest: Manifest, field: str, command: list[str], leaves: set[str]) -> None:
    if manifest.image is not None:
        # What the layers hold is known to whoever opens them.
        _check_path(command[0])
    elif command[0] not in leaves:
        raise ValueError(f"{field}: the program is not a file or link of root")


def _check_covers(manifest: Manifest, leaves: set[str], folders: set[str]) -> set[str]:
    """Paths of writables, mounts, volumes and the certificate: apart from each other, below no leaf of root, hiding
    nothing of it.
    """
    own = [manifest.ra_tls] if manifest.ra_tls is not None else []
    paths = [entry.path for entry in [*manifest.writable, *manifest.mounts, *(manifest.volumes or ()), *own]]
    covers = set(paths)
    if len(covers) != len(paths):
        raise ValueError("writable, mounts, volumes and ra_tls: a path twice")
    for path in paths:
        parents = _parents(path)
        if path in leaves or not leaves.isdisjoint(parents):
            raise ValueError(f"{path} lies on or below a file or a link of root")
        if path in folders:
            raise ValueError(f"{path} would hide files of root")
        if not covers.isdisjoint(parents):
            raise ValueError(f"{path} lies in another writable, mount or volume, or in ra_tls")
    return covers


def _check_files(manifest: Manifest, leaves: set[str], folders: set[str], covers: set[str]) -> None:
    """Places of the policy's files: new files below /run, in nothing that is covered or a file."""
    others = leaves | set(manifest.files)
    root = {entry.path for entry in manifest.root}
    for path in manifest.files:
        parents = _parents(path)
        if not path.startswith("/run/") or path in root or not covers.isdisjoint((path, *parents)):
            raise ValueError(f"files: {path} must lie below /run, be new, and outside what is mounted")
        if path in folders:
            raise ValueError(f"files: {path} is a folder of something else")
        if not others.isdisjoint(parents):
            raise ValueError(f"files: {path} lies below a file or a link")


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
    if manifest.health is not None and any("{{" in part for part in manifest.health.command):
        raise ValueError("health.command has no holes")
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
