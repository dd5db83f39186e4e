"""Manifests, indexes and configurations of images (OCI image specification 1.1; Docker's, which say the same).

What is here is read by name, and the rest is passed by: others add fields of their own. Nobody shall read another
image in the same bytes than what is read here: a name comes once, an index is no manifest, and what a document says it
is must be what it was announced as (CVE-2021-41190).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence, Set
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, NoReturn, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from casemate.errors import ImageRefusedError, ImageTamperedError, TooLargeError
from casemate.wire.fields import Sha256

__all__ = [
    "CONFIG_TYPE",
    "CONFIG_TYPES",
    "INDEX_TYPE",
    "INDEX_TYPES",
    "LAYER_TYPE",
    "LAYER_TYPES",
    "MANIFEST_TYPE",
    "MANIFEST_TYPES",
    "MAX_DOCUMENT_BYTES",
    "Config",
    "Descriptor",
    "Execution",
    "Index",
    "Manifest",
    "Platform",
    "RootFs",
    "check",
    "decode",
    "described",
    "digest_of",
    "manifest_object",
    "parse_config",
    "parse_index",
    "parse_manifest",
]

MANIFEST_TYPE: Final = "application/vnd.oci.image.manifest.v1+json"
CONFIG_TYPE: Final = "application/vnd.oci.image.config.v1+json"
CONFIG_TYPES: Final = frozenset({CONFIG_TYPE, "application/vnd.docker.container.image.v1+json"})
LAYER_TYPE: Final = "application/vnd.oci.image.layer.v1.tar"
LAYER_TYPES: Final = frozenset(
    {
        *(LAYER_TYPE + ending for ending in ("", "+gzip", "+zstd")),
        *(f"application/vnd.docker.image.rootfs.diff.tar{ending}" for ending in ("", ".gzip", ".zstd")),
    }
)
MANIFEST_TYPES: Final = frozenset({MANIFEST_TYPE, "application/vnd.docker.distribution.manifest.v2+json"})
INDEX_TYPE: Final = "application/vnd.oci.image.index.v1+json"
INDEX_TYPES: Final = frozenset({INDEX_TYPE, "application/vnd.docker.distribution.manifest.list.v2+json"})
MAX_DOCUMENT_BYTES: Final = 4 * 1024 * 1024
"""Of a manifest, an index or a configuration: what registries take at most."""
_MAX_SIZE: Final = 2**53 - 1
_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")
_OTHER_HASHES: Final = frozenset({"sha384", "sha512", "blake3"})


def _by_sha256(value: object) -> object:
    if isinstance(value, str) and value.partition(":")[0] in _OTHER_HASHES:
        raise PydanticCustomError("hash", "a digest by another hash than sha256, the only one that is read")
    return value


Digest = Annotated[Sha256, BeforeValidator(_by_sha256)]


class _Document(BaseModel):
    model_config = ConfigDict(
        frozen=True, strict=True, extra="ignore", hide_input_in_errors=True, populate_by_name=True
    )
    foreign: ClassVar[frozenset[str]] = frozenset()
    """Names that only another kind of document has."""

    @model_validator(mode="before")
    @classmethod
    def _is_read_one_way(cls, value: Any) -> Any:
        """Others (Go) read names whatever their case, and believe the last."""
        if isinstance(value, dict):
            names = {str(name).casefold() for name in value}
            if len(names) != len(value):
                raise PydanticCustomError("twice", "a name comes twice, in another case")
            if names & cls.foreign:
                raise PydanticCustomError("foreign", "it is an index and a manifest in one")
        return value


class Platform(_Document):
    architecture: str = ""
    os: str = ""
    variant: str = ""


class Descriptor(_Document):
    media_type: Annotated[str, Field(alias="mediaType")]
    digest: Digest
    size: Annotated[int, Field(ge=0, le=_MAX_SIZE)]
    platform: Platform | None = None
    artifact_type: Annotated[str | None, Field(alias="artifactType", exclude=True)] = None
    annotations: Annotated[dict[str, str] | None, Field(exclude=True)] = None

    def to_object(self) -> dict[str, Any]:
        """As it stands in a document of ours: what others noted on it is not ours to say."""
        return self.model_dump(by_alias=True, exclude_none=True)


class Index(_Document):
    foreign = frozenset({"config", "layers"})

    media_type: Annotated[str | None, Field(alias="mediaType")] = None
    manifests: Annotated[list[Descriptor], Field(max_length=1000)]


class Manifest(_Document):
    foreign = frozenset({"manifests"})

    media_type: Annotated[str | None, Field(alias="mediaType")] = None
    config: Descriptor
    layers: Annotated[list[Descriptor], Field(max_length=1000)]


class Execution(_Document):
    """How an image is started; null and absent are the same."""

    env: Annotated[list[str] | None, Field(alias="Env")] = None
    entrypoint: Annotated[list[str] | None, Field(alias="Entrypoint")] = None
    cmd: Annotated[list[str] | None, Field(alias="Cmd")] = None
    user: Annotated[str | None, Field(alias="User")] = None
    working_dir: Annotated[str | None, Field(alias="WorkingDir")] = None
    volumes: Annotated[dict[str, Any] | None, Field(alias="Volumes")] = None
    labels: Annotated[dict[str, str] | None, Field(alias="Labels")] = None
    exposed_ports: Annotated[dict[str, Any] | None, Field(alias="ExposedPorts")] = None
    stop_signal: Annotated[str | None, Field(alias="StopSignal")] = None
    healthcheck: Annotated[dict[str, Any] | None, Field(alias="Healthcheck")] = None
    shell: Annotated[list[str] | None, Field(alias="Shell")] = None


class RootFs(_Document):
    diff_ids: list[Digest]


class Config(_Document):
    architecture: str
    os: str
    created: str | None = None
    config: Execution | None = None
    rootfs: RootFs


D = TypeVar("D", bound=_Document)
K = TypeVar("K", Index, Manifest)


def digest_of(data: bytes) -> str:
    """`sha256:…`"""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def described(path: Path, media_type: str) -> Descriptor:
    """A file as a blob."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return Descriptor(media_type=media_type, digest=f"sha256:{digest}", size=file.tell())


def manifest_object(config: Descriptor, layers: Sequence[Descriptor]) -> dict[str, Any]:
    """The manifest of an image, `layers` from the bottom up; its bytes are the caller's to choose."""
    return {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": config.to_object(),
        "layers": [layer.to_object() for layer in layers],
    }


def check(descriptor: Descriptor, digest: str, size: int) -> None:
    """Errors: ImageTamperedError where what has this digest and size is not what the descriptor stands for."""
    if (digest, size) != (descriptor.digest, descriptor.size):
        raise ImageTamperedError(
            "a blob is not what its digest says", step="image.digest", expected=descriptor.digest, got=digest
        )


def parse_index(data: bytes, media_type: str | None = None) -> Index:
    """`media_type` is what it was announced as. Errors: ImageRefusedError, TooLargeError."""
    return _of_kind(_parse(Index, data, "index"), {media_type} if media_type else INDEX_TYPES)


def parse_manifest(data: bytes, media_type: str | None = None) -> Manifest:
    """As `parse_index`."""
    return _of_kind(_parse(Manifest, data, "manifest"), {media_type} if media_type else MANIFEST_TYPES)


def parse_config(data: bytes) -> Config:
    """Errors: as `parse_index`."""
    return _parse(Config, data, "configuration")


def decode(data: bytes) -> Any:
    """JSON of strangers. Errors: ValueError for anything but UTF-8 in which each object has a name once."""
    try:
        value = json.loads(data.decode(), object_pairs_hook=_once, parse_constant=_no_number)
        if _SURROGATE.search(data):
            # Half of a pair stands for no character, and nobody can write it.
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name comes twice")
    return found


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON")


def _of_kind(document: K, announced: Set[str]) -> K:
    said = document.media_type
    if said is not None and said not in announced:
        raise ImageRefusedError(
            "a document of the image says that it is something else than it was announced as", step="image.document",
            expected=", ".join(sorted(announced))[:200], got=said[:200],
        )  # fmt: skip
    return document


def _parse(form: type[D], data: bytes, what: str) -> D:
    if len(data) > MAX_DOCUMENT_BYTES:
        raise TooLargeError(f"the image's {what} is too large", expected=f"≤ {MAX_DOCUMENT_BYTES} bytes")
    try:
        return form.model_validate(decode(data), by_alias=True, by_name=False)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise _none(what, f"{place + ': ' if place else ''}{first['msg']}") from error
    except ValueError as error:
        raise _none(what, str(error)) from error


def _none(what: str, why: str) -> ImageRefusedError:
    return ImageRefusedError(f"this is no {what} of an image: {why}"[:500], step="image.document")
