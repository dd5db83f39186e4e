"""Manifests, indexes and configurations of images (OCI image specification 1.1; Docker's, which say the same).

What is here is read by name, and the rest is passed by: others add fields of their own.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Final, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from casemate.errors import ImageRefusedError, ImageTamperedError, TooLargeError
from casemate.wire.fields import Sha256

__all__ = [
    "CONFIG_TYPE",
    "INDEX_TYPE",
    "INDEX_TYPES",
    "LAYER_TYPE",
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
    "digest_of",
    "parse_config",
    "parse_index",
    "parse_manifest",
]

MANIFEST_TYPE: Final = "application/vnd.oci.image.manifest.v1+json"
CONFIG_TYPE: Final = "application/vnd.oci.image.config.v1+json"
LAYER_TYPE: Final = "application/vnd.oci.image.layer.v1.tar"
MANIFEST_TYPES: Final = frozenset({MANIFEST_TYPE, "application/vnd.docker.distribution.manifest.v2+json"})
INDEX_TYPE: Final = "application/vnd.oci.image.index.v1+json"
INDEX_TYPES: Final = frozenset({INDEX_TYPE, "application/vnd.docker.distribution.manifest.list.v2+json"})
MAX_DOCUMENT_BYTES: Final = 4 * 1024 * 1024
"""Of a manifest, an index or a configuration: what registries take at most."""
_MAX_SIZE: Final = 2**53 - 1


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True, populate_by_name=True)


class Platform(_Document):
    architecture: str = ""
    os: str = ""
    variant: str = ""


class Descriptor(_Document):
    media_type: Annotated[str, Field(alias="mediaType")]
    digest: Sha256
    size: Annotated[int, Field(ge=0, le=_MAX_SIZE)]
    platform: Platform | None = None


class Index(_Document):
    manifests: Annotated[list[Descriptor], Field(max_length=1000)]


class Manifest(_Document):
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


class RootFs(_Document):
    diff_ids: list[Sha256]


class Config(_Document):
    architecture: str
    os: str
    created: str | None = None
    config: Execution | None = None
    rootfs: RootFs


D = TypeVar("D", bound=_Document)


def digest_of(data: bytes) -> str:
    """`sha256:…`"""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def check(descriptor: Descriptor, digest: str, size: int) -> None:
    """Errors: ImageTamperedError where what has this digest and size is not what the descriptor stands for."""
    if (digest, size) != (descriptor.digest, descriptor.size):
        raise ImageTamperedError(
            "a blob is not what its digest says", step="image.digest", expected=descriptor.digest, got=digest
        )


def parse_index(data: bytes) -> Index:
    """Errors: ImageRefusedError, TooLargeError."""
    return _parse(Index, data, "index")


def parse_manifest(data: bytes) -> Manifest:
    """Errors: as `parse_index`."""
    return _parse(Manifest, data, "manifest")


def parse_config(data: bytes) -> Config:
    """Errors: as `parse_index`."""
    return _parse(Config, data, "configuration")


def _parse(form: type[D], data: bytes, what: str) -> D:
    if len(data) > MAX_DOCUMENT_BYTES:
        raise TooLargeError(f"the image's {what} is too large", expected=f"≤ {MAX_DOCUMENT_BYTES} bytes")
    try:
        return form.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ImageRefusedError(
            f"this is no {what} of an image: {place + ': ' if place else ''}{first['msg']}"[:500], step="image.document"
        ) from error
