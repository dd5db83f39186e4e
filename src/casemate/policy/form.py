"""The version document as it is written: fields and text forms. What they mean together is `casemate.policy.model`.

The JSON Schema of policies is generated from `DocumentForm`; the fields of each kind of secret come from its plug-in.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Discriminator, Field, StringConstraints, Tag, model_validator

from casemate.wire.fields import (
    FormatOne,
    HoleName,
    Model,
    PolicyName,
    PrincipalName,
    SecretName,
    ServiceName,
    Sha256,
    VolumeName,
    is_plain,
)
from casemate.wire.manifest import MAX_VOLUMES as MAX_MOUNTED
from casemate.wire.manifest import Path as VolumePath
from casemate.wire.release import User
from casemate.wire.rules import Access, Principal, Rule
from casemate.wire.statements import VERSION_PATTERN, ReleaseName, VersionText

__all__ = [
    "DEFAULT_LEASE",
    "DETAILED",
    "LISTED",
    "MAX_LEASE_SECONDS",
    "MIN_LEASE_SECONDS",
    "PINNED",
    "RELEASED",
    "DocumentForm",
    "FileForm",
    "ImageForm",
    "OutputForm",
    "PeopleForm",
    "PlatformForm",
    "ReleaseForm",
    "RuntimeForm",
    "ServiceForm",
    "ServiceVolumeForm",
    "VolumeForm",
    "WaiverForm",
    "WorkloadForm",
    "day",
    "interval_milliseconds",
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

MAX_REVOKED: Final = 256
"""Of one release; `at_least` takes care of what is old."""
PINNED: Final = "(pinned)"
RELEASED: Final = "(released)"
"""How the two forms of a workload and of a runtime are told apart in errors; no field has such a name."""

LISTED: Final = "(listed)"
DETAILED: Final = "(detailed)"
"""And the two of platforms."""

MAX_PLATFORMS: Final = 8
MAX_MEASUREMENTS: Final = 64
"""A guest's measurement differs with its number of processors, and while one release replaces another there are two."""
MAX_ASKED: Final = 32
MAX_VALUES: Final = 256
"""Chips that are allowed, for instance."""
MAX_WAIVERS: Final = 16
MAX_ADVISORIES: Final = 64
MAX_SECURITY_VERSION: Final = 65535
"""Of an enclave; AMD's have one byte."""
_MAX_VALUE: Final = 256

MAX_VOLUMES: Final = 256
"""A key of each is made and sealed when a version is accepted."""
MIN_INTERVAL_MS: Final = 10
"""Less than that is `strict`, but for the name."""
MAX_INTERVAL_MS: Final = 3600 * 1000
"""What a crash or a rollback may cost; `none` is for what may be lost altogether."""

_INTERVAL: Final = re.compile(r"([1-9][0-9]{0,6})(ms|s|m|h)")
_MILLISECONDS: Final = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000}
_LEASE: Final = re.compile(r"([1-9][0-9]{0,5})([smh])")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600}
_REVOKED: Final = re.compile(rf"{VERSION_PATTERN}|sha256:[0-9a-f]{{64}}|sha384:[0-9a-f]{{96}}")
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


def interval_milliseconds(text: str) -> int:
    """`100ms`, `1s`, `5m`, `1h`; `ValueError` outside `MIN_INTERVAL_MS`..`MAX_INTERVAL_MS`."""
    match = _INTERVAL.fullmatch(text)
    if match is None:
        raise ValueError("not a duration", 'write it like "100ms", "1s" or "5m"')
    milliseconds = int(match[1]) * _MILLISECONDS[match[2]]
    if not MIN_INTERVAL_MS <= milliseconds <= MAX_INTERVAL_MS:
        raise ValueError('an interval is from "10ms" to "1h"', 'write "1s", for instance')
    return milliseconds


def _check_interval(text: str) -> str:
    interval_milliseconds(text)
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


def _check_revoked(text: str) -> str:
    if not _REVOKED.fullmatch(text):
        raise ValueError(
            "neither a version nor a digest", 'write a version in quotes ("1.4"), "sha256:…" or "sha384:…"'
        )
    return text


def day(text: str) -> datetime:
    """The beginning of `2027-01-31`, in UTC; `ValueError` for what is no day in that form."""
    try:
        found = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        found = None
    if found is None or f"{found:%Y-%m-%d}" != text:
        raise ValueError("not a day", 'write it like "2027-01-31"')
    return found


def _check_day(text: str) -> str:
    day(text)
    return text


def _check_value(text: str) -> str:
    if not 0 < len(text) <= _MAX_VALUE or not text.isascii() or not text.isprintable():
        raise ValueError("not a value of a platform", "write it as `casemate evidence verify` prints it")
    return text


FilePath = Annotated[str, AfterValidator(_check_file_path)]
FileMode = Annotated[str, StringConstraints(pattern=r"^0[0-7]{3}$")]
Interval = Annotated[str, AfterValidator(_check_interval)]
Lease = Annotated[str, AfterValidator(_check_lease)]
Revoked = Annotated[str, AfterValidator(_check_revoked)]
Day = Annotated[str, AfterValidator(_check_day)]
Measurement = Annotated[str, StringConstraints(pattern=r"^(sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96})$")]
SecurityVersion = Annotated[int, Field(ge=0, le=MAX_SECURITY_VERSION)]
Value = Annotated[str, AfterValidator(_check_value)]


class WorkloadForm(Model):
    manifest: Sha256


class RuntimeForm(Model):
    """One measurement, or `measurements` of each platform: of each shape that it comes in."""

    measurement: Measurement | None = None
    measurements: (
        Annotated[
            dict[str, Annotated[list[Measurement], Field(min_length=1, max_length=MAX_MEASUREMENTS)]],
            Field(min_length=1, max_length=MAX_PLATFORMS),
        ]
        | None
    ) = None

    @model_validator(mode="after")
    def _one_of_them(self) -> RuntimeForm:
        if (self.measurement is None) == (self.measurements is None):
            raise ValueError(
                "a runtime is one measurement, or measurements by platform",
                'write measurement: "sha384:…", or measurements: {sev-snp: ["sha384:…"], …}',
            )
        return self


class ReleaseForm(Model):
    """Any version of a release, from `at_least` on, that those of `signed_by` vouch for and that is not `revoked`."""

    release: ReleaseName
    at_least: VersionText
    signed_by: Rule
    revoked: Annotated[list[Revoked], Field(default_factory=list, max_length=MAX_REVOKED)]


def _form_of(value: Any) -> str:
    named = "release" in value if isinstance(value, dict) else isinstance(value, ReleaseForm)
    return RELEASED if named else PINNED


def _platforms_form(value: Any) -> str:
    return DETAILED if isinstance(value, dict) else LISTED


class FileForm(Model):
    content: str
    mode: FileMode = "0400"


class ImageForm(Model):
    """`key` names the secret that the layers of the workload's image are encrypted under."""

    key: SecretName


class OutputForm(Model):
    """`sealed` names the secret that what the workload writes is sealed under."""

    sealed: SecretName


class WaiverForm(Model):
    """Until a day (UTC, not included): a status of the TCB with these advisories and no others, or something that the
    evidence lacks, is good enough.
    """

    status: str | None = None
    advisories: Annotated[list[str], Field(default_factory=list, max_length=MAX_ADVISORIES)]
    lacks: str | None = None
    until: Day

    @model_validator(mode="after")
    def _one_of_them(self) -> WaiverForm:
        if (self.status is None) == (self.lacks is None):
            raise ValueError("a waiver of one thing", "write either status: … or lacks: …")
        if self.lacks is not None and self.advisories:
            raise ValueError("advisories belong to a status", "leave them out, or name the status")
        return self


class PlatformForm(Model):
    """What is asked of one platform (`casemate.platforms`): the lowest security versions, values that must be one of
    those listed, and what is waived.
    """

    tcb: Annotated[dict[str, SecurityVersion], Field(default_factory=dict, max_length=MAX_ASKED)]
    require: Annotated[
        dict[str, Annotated[list[Value], Field(min_length=1, max_length=MAX_VALUES)]],
        Field(default_factory=dict, max_length=MAX_ASKED),
    ]
    waive: Annotated[list[WaiverForm], Field(default_factory=list, max_length=MAX_WAIVERS)]


class PeopleForm(Model):
    """Who may have a volume by hand; what is absent, nobody may. Whoever may write may read as well."""

    read: Rule | None = None
    write: Rule | None = None
    rekey: Rule | None = None
    lease: Lease = DEFAULT_LEASE

    @model_validator(mode="after")
    def _somebody(self) -> PeopleForm:
        if self.read is None and self.write is None and self.rekey is None:
            raise ValueError("nobody is named", "name who may read, write or rekey, or leave 'people' out")
        return self


class VolumeForm(Model):
    """A sealed volume. `root` never changes; `accept_anchor` names anchors that protect less than a strict one must."""

    freshness: Literal["strict", "interval", "none"]
    root: Literal["tag", "hash"]
    interval: Interval | None = None
    accept_anchor: Annotated[list[Literal["insecure_file"]], Field(default_factory=list, max_length=1)]
    people: PeopleForm | None = None

    @model_validator(mode="after")
    def _interval_fits(self) -> VolumeForm:
        if self.freshness == "interval" and self.interval is None:
            raise ValueError("freshness: interval needs its length", 'add interval: "1s", for instance')
        if self.freshness != "interval" and self.interval is not None:
            raise ValueError(f"an interval, and freshness: {self.freshness}", "leave 'interval' out")
        return self


class ServiceVolumeForm(Model):
    volume: VolumeName
    mode: Literal["write", "read"]


class ServiceForm(Model):
    workload: Annotated[
        Annotated[WorkloadForm, Tag(PINNED)] | Annotated[ReleaseForm, Tag(RELEASED)], Discriminator(_form_of)
    ]
    runtime: Annotated[
        Annotated[RuntimeForm, Tag(PINNED)] | Annotated[ReleaseForm, Tag(RELEASED)], Discriminator(_form_of)
    ]
    image: ImageForm | None = None
    output: OutputForm | None = None
    platforms: Annotated[
        Annotated[list[str], Field(min_length=1, max_length=MAX_PLATFORMS), Tag(LISTED)]
        | Annotated[dict[str, PlatformForm], Field(min_length=1, max_length=MAX_PLATFORMS), Tag(DETAILED)],
        Discriminator(_platforms_form),
    ]
    holes: Annotated[dict[HoleName, str], Field(default_factory=dict, max_length=MAX_FILLED)]
    environment: Annotated[dict[HoleName, str], Field(default_factory=dict, max_length=MAX_FILLED)]
    files: Annotated[dict[FilePath, FileForm], Field(default_factory=dict, max_length=MAX_FILLED)]
    volumes: Annotated[dict[VolumePath, ServiceVolumeForm], Field(default_factory=dict, max_length=MAX_MOUNTED)]
    user: User | None = None
    lease: Lease = DEFAULT_LEASE


class DocumentForm(Model):
    casemate: FormatOne
    policy: PolicyName
    genesis: Sha256
    predecessor: Sha256 | None = None
    principals: Annotated[dict[PrincipalName, Principal], Field(min_length=1, max_length=MAX_PRINCIPALS)]
    access: Access
    services: Annotated[dict[ServiceName, ServiceForm], Field(default_factory=dict, max_length=MAX_SERVICES)]
    secrets: Annotated[dict[SecretName, dict[str, Any]], Field(default_factory=dict, max_length=MAX_SECRETS)]
    volumes: Annotated[dict[VolumeName, VolumeForm], Field(default_factory=dict, max_length=MAX_VOLUMES)]
