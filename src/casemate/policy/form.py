"""The version document as it is written: fields and text forms. What they mean together is `casemate.policy.model`.

The JSON Schema of policies is generated from `DocumentForm`; the fields of each kind of secret come from its plug-in.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field, StringConstraints

from casemate.wire.fields import (
    FormatOne,
    HoleName,
    Model,
    PolicyName,
    PrincipalName,
    SecretName,
    ServiceName,
    Sha256,
    Sha384,
    is_plain,
)
from casemate.wire.release import User
from casemate.wire.rules import Access, Principal

__all__ = [
    "DEFAULT_LEASE",
    "MAX_LEASE_SECONDS",
    "MIN_LEASE_SECONDS",
    "DocumentForm",
    "FileForm",
    "RuntimeForm",
    "ServiceForm",
    "TcbMinima",
    "WorkloadForm",
    "lease_seconds",
]

DEFAULT_LEASE: Final = "300s"
MIN_LEASE_SECONDS: Final = 5
"""A renewal takes milliseconds, but a loaded machine must not lose its workload to one slow second."""
MAX_LEASE_SECONDS: Final = 24 * 3600
"""How long a workload may run on after its policy stopped admitting it; instance certificates live as long."""

MAX_PRINCIPALS: Final = 256
"""As in the genesis record."""
MAX_SERVICES: Final = 256
MAX_SECRETS: Final = 1024
"""Each is made and sealed when a version is accepted."""
MAX_FILLED: Final = 64
"""Holes and files of one service: a manifest has no more."""

_LEASE: Final = re.compile(r"([1-9][0-9]{0,5})([smh])")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600}
_RESERVED: Final = ("/run/casemate",)


def lease_seconds(text: str) -> int:
    """`300s`, `5m`, `1h` as seconds; `ValueError` outside `MIN_LEASE_SECONDS`..`MAX_LEASE_SECONDS`."""
    match = _LEASE.fullmatch(text)
    if match is None:
        raise ValueError("not a duration", 'write it like "300s", "5m" or "1h"')
    seconds = int(match[1]) * _SECONDS[match[2]]
    if not MIN_LEASE_SECONDS <= seconds <= MAX_LEASE_SECONDS:
        raise ValueError(
            f'a lease lasts from "{MIN_LEASE_SECONDS}s" to "24h"', f'write "{DEFAULT_LEASE}", for instance'
        )
    return seconds


def _check_lease(text: str) -> str:
    lease_seconds(text)
    return text


def _check_file_path(path: str) -> str:
    if not path.startswith("/run/"):
        raise ValueError("files are placed below /run only, where nothing reaches a disk", "write /run/…")
    if any(part in {"", ".", ".."} for part in path[1:].split("/")):
        raise ValueError("the path is not normalised", "write it without '//', '.', '..' or a slash at its end")
    if any(path == reserved or path.startswith(reserved + "/") for reserved in _RESERVED):
        raise ValueError("a place that the shield keeps for itself", "choose another folder below /run")
    if len(path.encode()) > 4095 or not is_plain(path):
        raise ValueError("the path is too long, or has characters that do not show", "choose another one")
    return path


FilePath = Annotated[str, AfterValidator(_check_file_path)]
FileMode = Annotated[str, StringConstraints(pattern=r"^0[0-7]{3}$")]
Lease = Annotated[str, AfterValidator(_check_lease)]
SecurityVersion = Annotated[int, Field(ge=0, le=255)]


class WorkloadForm(Model):
    manifest: Sha256


class RuntimeForm(Model):
    measurement: Sha384


class FileForm(Model):
    content: str
    mode: FileMode = "0400"


class TcbMinima(Model):
    """The lowest security versions that are admitted; what is absent is not asked for."""

    bootloader: SecurityVersion | None = None
    tee: SecurityVersion | None = None
    snp: SecurityVersion | None = None
    microcode: SecurityVersion | None = None
    fmc: SecurityVersion | None = None


class ServiceForm(Model):
    workload: WorkloadForm
    runtime: RuntimeForm
    platforms: Annotated[list[str], Field(min_length=1, max_length=8)]
    holes: Annotated[dict[HoleName, str], Field(default_factory=dict, max_length=MAX_FILLED)]
    environment: Annotated[dict[HoleName, str], Field(default_factory=dict, max_length=MAX_FILLED)]
    files: Annotated[dict[FilePath, FileForm], Field(default_factory=dict, max_length=MAX_FILLED)]
    user: User | None = None
    lease: Lease = DEFAULT_LEASE
    tcb: TcbMinima | None = None


class DocumentForm(Model):
    casemate: FormatOne
    policy: PolicyName
    genesis: Sha256
    predecessor: Sha256 | None = None
    principals: Annotated[dict[PrincipalName, Principal], Field(min_length=1, max_length=MAX_PRINCIPALS)]
    access: Access
    services: Annotated[dict[ServiceName, ServiceForm], Field(default_factory=dict, max_length=MAX_SERVICES)]
    secrets: Annotated[dict[SecretName, dict[str, Any]], Field(default_factory=dict, max_length=MAX_SECRETS)]
