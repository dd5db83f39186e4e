"""The version document (spec/policy.md): from a value to a `PolicyDocument` whose every part was judged.

    value ── plain JSON only ── fields and text forms (form.py) ── names, rules, secrets, templates ── PolicyDocument

Nothing else makes a `PolicyDocument`, so nobody checks again afterwards. All findings are collected, each with the
path to what is wrong; `casemate.policy.source` turns paths into lines and columns.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal

from casemate.policy._access import access_faults, principal_faults
from casemate.policy._explain import fill_form
from casemate.policy._faults import Fault, Path, first_error
from casemate.policy._platforms import Asked, Measurements, asked_of
from casemate.policy._releases import release_faults
from casemate.policy._secrets import read_secrets
from casemate.policy._services import is_confidential, service_faults
from casemate.policy._volumes import people_faults, volume_faults
from casemate.policy.form import (
    DocumentForm,
    PeopleForm,
    ReleaseForm,
    ServiceForm,
    VolumeForm,
    interval_milliseconds,
    lease_seconds,
)
from casemate.policy.releases import Released
from casemate.policy.templates import Template
from casemate.wire import canonical
from casemate.wire.binding import sha256_text
from casemate.wire.fields import LoanMode, Model
from casemate.wire.release import User
from casemate.wire.rules import Access, Principal, Rule
from casemate.wire.secrets import SecretSchema, SecretSchemas

__all__ = [
    "MAX_DOCUMENT_BYTES",
    "Asked",
    "Filling",
    "Measurements",
    "MountedVolume",
    "People",
    "PlacedFile",
    "PolicyDocument",
    "Service",
    "Volume",
    "judge",
    "parse_document",
]

MAX_DOCUMENT_BYTES: Final = 512 * 1024
"""Canonical bytes. A submission carries them in base64, beside sealed values, in a body of at most 1 MiB."""

_MAX_INTEGER: Final = 2**53 - 1
_ABSENT: Final = "nothing is written here"
_STAND_IN_RULE: Final = {"any": ["none"]}
_STAND_IN_PIN: Final = {
    "workload": {"manifest": "sha256:" + 64 * "0"},
    "runtime": {"measurement": "sha384:" + 96 * "0"},
}


@dataclass(frozen=True, slots=True)
class Filling:
    """What goes into a hole or a file. `confidential`: it holds a part of a secret that must stay one."""

    template: Template
    confidential: bool


@dataclass(frozen=True, slots=True)
class PlacedFile:
    filling: Filling
    mode: str


@dataclass(frozen=True, slots=True)
class People:
    """Who may have a volume by hand. A rule that is absent admits nobody."""

    read: Rule | None
    write: Rule | None
    rekey: Rule | None
    lease_seconds: int

    def rules(self, mode: LoanMode) -> tuple[Rule, ...]:
        """One of them has to hold: whoever may write may read as well. To rekey is a right of its own."""
        wanted = {"read": (self.read, self.write), "write": (self.write,), "rekey": (self.rekey,)}
        return tuple(rule for rule in wanted[mode] if rule is not None)


@dataclass(frozen=True, slots=True)
class Volume:
    """A sealed volume. `accept_anchor` are kinds of anchors that count for it although the host can rewrite them."""

    name: str
    freshness: Literal["strict", "interval", "none"]
    root: Literal["tag", "hash"]
    interval_ms: int | None
    accept_anchor: frozenset[str]
    people: People | None

    def accepts(self, anchor: str) -> bool:
        """Whether `anchor`, a kind that the host can rewrite, is good enough."""
        return self.freshness != "strict" or anchor in self.accept_anchor


@dataclass(frozen=True, slots=True)
class MountedVolume:
    volume: Volume
    mode: Literal["write", "read"]


@dataclass(frozen=True, slots=True)
class Service:
    """One kind of workload. `workload` is the digest of its manifest, `runtime` are measurements, or the release that
    either comes from. `platforms` are those that it may run on, with what is asked of each. `holes` has those of
    `environment` too; `variables` are the names that came from there. `image_key` is the secret that its image is
    encrypted under, `output_key` the one for what it writes.
    """

    name: str
    workload: str | Released
    runtime: Measurements | Released
    image_key: str | None
    output_key: str | None
    platforms: Mapping[str, Asked]
    holes: Mapping[str, Filling]
    variables: frozenset[str]
    files: Mapping[str, PlacedFile]
    volumes: Mapping[str, MountedVolume]
    user: User | None
    lease_seconds: int


@dataclass(frozen=True, slots=True)
class PolicyDocument:
    """A document that was judged. `data` are its canonical bytes, `version` their hash.

    `secret_specs` are the typed specs of the secrets, `secret_kinds` the names of their kinds.
    """

    data: bytes
    version: str
    policy: str
    genesis: str
    predecessor: str | None
    principals: Mapping[str, Principal]
    access: Access
    services: Mapping[str, Service]
    secret_specs: dict[str, Model]
    secret_kinds: dict[str, str]
    volumes: Mapping[str, Volume]

    def to_object(self) -> dict[str, Any]:
        """The JSON object, exactly as it is signed and hashed."""
        value: dict[str, Any] = canonical.decode(self.data)
        return value


def parse_document(value: object, schemas: SecretSchemas) -> PolicyDocument:
    """`value` (plain JSON) as a document; `PolicyError` names the first thing that is wrong, with a remedy."""
    document, faults = judge(value, schemas)
    if document is None:
        raise first_error(faults)
    return document


def judge(value: object, schemas: SecretSchemas) -> tuple[PolicyDocument | None, list[Fault]]:
    """A document, or nothing and everything that is wrong with `value`."""
    # 1. Plain JSON with one spelling: no floating point, no absent values, bounded in depth and size.
    absent = _plain_faults(value, ())
    if any(fault.message != _ABSENT for fault in absent):
        return None, absent
    if not isinstance(value, dict):
        return None, [Fault((), "not a policy: expected fields with values", "start with casemate: 1")]
    data = canonical.encode(value)
    if len(data) > MAX_DOCUMENT_BYTES:
        return None, [Fault((), f"a policy has at most {MAX_DOCUMENT_BYTES} bytes, this one {len(data)}")]
    # 2. Principals, rules and releases, before the form is filled: they are told better here.
    faults = principal_faults(value.get("principals"))
    rules = access_faults(value.get("access"), value.get("principals"))
    # 3. Secrets by the schemas of their kinds; 4. services, with their templates and volumes.
    specs, found = read_secrets(value.get("secrets"), schemas)
    releases = release_faults(value.get("services"), value.get("principals"), value.get("access"))
    kinds, brought = _kinds(value.get("secrets"), schemas), _brought(value.get("secrets"))
    faults += rules + releases + found + service_faults(value.get("services"), kinds, brought)
    faults += volume_faults(value.get("volumes"), value.get("services"))
    faults += people_faults(value.get("volumes"), value.get("principals"))
    # 5. Fields and text forms.
    form, found = fill_form(DocumentForm, _without_broken(value, rules + releases))
    faults = absent + _without(faults + found, absent)
    if form is None or faults:
        return None, faults
    return _document(form, data, specs, schemas), []


def _document(form: DocumentForm, data: bytes, specs: dict[str, Model], schemas: SecretSchemas) -> PolicyDocument:
    secret_kinds = {name: str(entry["kind"]) for name, entry in form.secrets.items()}
    kinds = {name: schemas[kind] for name, kind in secret_kinds.items()}
    volumes = {name: _volume(name, entry) for name, entry in form.volumes.items()}
    return PolicyDocument(
        data=data,
        version=sha256_text(data),
        policy=form.policy,
        genesis=form.genesis,
        predecessor=form.predecessor,
        principals=MappingProxyType(form.principals),
        access=form.access,
        services=MappingProxyType(
            {name: _service(name, entry, kinds, volumes) for name, entry in form.services.items()}
        ),
        secret_specs=specs,
        secret_kinds=secret_kinds,
        volumes=MappingProxyType(volumes),
    )


def _volume(name: str, form: VolumeForm) -> Volume:
    interval = None if form.interval is None else interval_milliseconds(form.interval)
    return Volume(name, form.freshness, form.root, interval, frozenset(form.accept_anchor), _people(form.people))


def _people(form: PeopleForm | None) -> People | None:
    return None if form is None else People(form.read, form.write, form.rekey, lease_seconds(form.lease))


def _service(name: str, form: ServiceForm, kinds: Mapping[str, SecretSchema], volumes: Mapping[str, Volume]) -> Service:
    filled = {**form.holes, **form.environment}
    return Service(
        name=name,
        workload=_released(form.workload) if isinstance(form.workload, ReleaseForm) else form.workload.manifest,
        runtime=_released(form.runtime) if isinstance(form.runtime, ReleaseForm) else Measurements.of(form.runtime),
        image_key=None if form.image is None else form.image.key,
        output_key=None if form.output is None else form.output.sealed,
        platforms=asked_of(form.platforms),
        holes=MappingProxyType({hole: _filling(text, kinds) for hole, text in filled.items()}),
        variables=frozenset(form.environment),
        files=MappingProxyType(
            {path: PlacedFile(_filling(file.content, kinds), file.mode) for path, file in form.files.items()}
        ),
        volumes=MappingProxyType(
            {path: MountedVolume(volumes[entry.volume], entry.mode) for path, entry in form.volumes.items()}
        ),
        user=form.user,
        lease_seconds=lease_seconds(form.lease),
    )


def _released(form: ReleaseForm) -> Released:
    return Released(form.release, form.at_least, form.signed_by, tuple(form.revoked))


def _filling(text: str, kinds: Mapping[str, SecretSchema]) -> Filling:
    template = Template.parse(text)
    return Filling(template, any(is_confidential(reference, kinds) for reference in template.references))


def _brought(value: object) -> frozenset[str]:
    """Secrets that their owner made, and commits to."""
    secrets = value.items() if isinstance(value, dict) else ()
    return frozenset(name for name, entry in secrets if isinstance(entry, dict) and "commitment" in entry)


def _kinds(value: object, schemas: SecretSchemas) -> dict[str, SecretSchema | None]:
    """Every secret that is named, with its schema where its kind is known."""
    entries = value.items() if isinstance(value, dict) else ()
    kinds = {name: entry.get("kind") if isinstance(entry, dict) else None for name, entry in entries}
    return {name: schemas.get(kind) if isinstance(kind, str) else None for name, kind in kinds.items()}


def _without_broken(value: dict[str, Any], faults: list[Fault]) -> dict[str, Any]:
    """Rules and releases that were refused are replaced, so that the form does not tell it a second time."""
    for fault in faults:
        if fault.path[0] == "access":
            value = _with(value, fault.path[:2], _STAND_IN_RULE)
        elif fault.path[0] == "services" and fault.path[3] == "signed_by":
            value = _with(value, fault.path[:4], _STAND_IN_RULE)
        elif fault.path[0] == "services":
            value = _with(value, fault.path[:3], _STAND_IN_PIN[str(fault.path[2])])
    return value


def _with(value: Any, path: Path, part: object) -> Any:
    return {**value, path[0]: _with(value[path[0]], path[1:], part)} if path else part


def _plain_faults(value: object, path: Path) -> list[Fault]:
    if len(path) > canonical.MAX_DEPTH:
        return [Fault(path[:1], f"nested deeper than {canonical.MAX_DEPTH} levels")]
    if isinstance(value, dict):
        return [fault for name, entry in value.items() for fault in _entry_faults(name, entry, path)]
    if isinstance(value, list):
        return [fault for index, entry in enumerate(value) for fault in _plain_faults(entry, (*path, index))]
    if value is None:
        return [Fault(path, _ABSENT, "write a value, or leave the field out")]
    if isinstance(value, str):
        return [] if _encodable(value) else [Fault(path, "text that is not Unicode")]
    if isinstance(value, bool) or (isinstance(value, int) and abs(value) <= _MAX_INTEGER):
        return []
    if isinstance(value, (int, float)):
        return [Fault(path, "a number with a fraction, or beyond ±(2^53-1)", "write it in quotes")]
    return [Fault(path, "neither text, number, flag, list nor fields")]


def _entry_faults(name: object, entry: object, path: Path) -> list[Fault]:
    if not isinstance(name, str) or not _encodable(name):
        return [Fault(path, "a field whose name is not text", "write the name in quotes")]
    return _plain_faults(entry, (*path, name))


def _without(faults: list[Fault], told: list[Fault]) -> list[Fault]:
    """The faults but those of values that `told` already names: they have the same cause."""
    paths = {fault.path for fault in told}
    return [fault for fault in faults if fault.on_key or fault.path not in paths]


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
