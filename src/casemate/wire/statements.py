"""Release statements (spec/releases.md): what somebody vouches for, as an in-toto Statement v1 in a DSSE envelope.

A statement is data like any other until a policy's rule names its signers. It says which manifests or measurements a
version of a release consists of; nothing in it says who may sign it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, model_validator

from casemate.wire import canonical
from casemate.wire.dsse import Envelope, open_envelope
from casemate.wire.fields import FormatOne, Model, Time, is_plain

__all__ = [
    "MAX_STATEMENTS",
    "MAX_STATEMENT_BYTES",
    "PREDICATE_TYPE",
    "RELEASE_TYPE",
    "STATEMENT_TYPE",
    "VERSION_PATTERN",
    "Reference",
    "ReleaseKind",
    "ReleaseName",
    "ReleasePredicate",
    "ReleaseStatement",
    "SignedStatement",
    "Subject",
    "SubjectDigest",
    "VersionText",
    "open_release",
    "open_statement",
    "read_envelope",
    "version_order",
]

RELEASE_TYPE: Final = "application/vnd.in-toto+json"
"""in-toto Attestation Framework v1, "Envelope": the payload type of all its statements."""
STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE: Final = "https://casemate.dev/release/v1"
"""What tells a release from everything else that the same key signs under `RELEASE_TYPE`."""

MAX_STATEMENTS: Final = 8
"""In one request: one for the runtime, one for the workload, and room for the versions before and after an update."""
MAX_STATEMENT_BYTES: Final = 64 * 1024
"""Of one envelope: 64 signatures, 128 subjects and 32 references fit."""
MAX_SUBJECTS: Final = 128
"""Manifests of one release: one for each policy that runs it."""
MAX_REFERENCES: Final = 32

VERSION_PATTERN: Final = r"(0|[1-9][0-9]{0,8})(\.(0|[1-9][0-9]{0,8})){0,3}"
"""One to four numbers with dots between them. No words: of `1.4-beta` and `1.4` people disagree which is older."""
_NAME_PATTERN: Final = r"^[a-z0-9][a-z0-9-]{0,62}(/[a-z0-9][a-z0-9-]{0,62})?$"


def version_order(version: str) -> tuple[int, ...]:
    """By which versions compare: number by number, and `1.4` is `1.4.0`. `version` is a `VersionText`."""
    numbers = [int(number) for number in version.split(".")]
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def _check_version(value: object) -> object:
    # A number would lose its last zero before anybody looks: 1.10 would be 1.1.
    if isinstance(value, (int, float)):
        raise ValueError("a version is text: 1.10 as a number would be 1.1", f'write it in quotes: "{value}"')
    if isinstance(value, str) and not re.fullmatch(VERSION_PATTERN, value):
        raise ValueError("not a version", 'write one to four numbers with dots between them, like "1.4" or "2.0.13"')
    return value


def _check_plain(text: str) -> str:
    if not is_plain(text):
        raise ValueError("characters that do not show", "choose another name")
    return text


VersionText = Annotated[str, BeforeValidator(_check_version), StringConstraints(pattern=f"^{VERSION_PATTERN}$")]
ReleaseName = Annotated[str, StringConstraints(pattern=_NAME_PATTERN)]
ReleaseKind = Literal["workload", "runtime"]
_Label = Annotated[str, Field(min_length=1, max_length=256), AfterValidator(_check_plain)]


class SubjectDigest(Model):
    """Exactly one: SHA-256 of a launch manifest, SHA-384 as the platform measures a runtime. Lower-case hexadecimal."""

    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None = None
    sha384: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{96}$")] | None = None

    @model_validator(mode="after")
    def _one(self) -> SubjectDigest:
        if (self.sha256 is None) == (self.sha384 is None):
            raise ValueError("a subject has one digest")
        return self

    @property
    def text(self) -> str:
        """`sha256:…` or `sha384:…`."""
        return f"sha256:{self.sha256}" if self.sha256 is not None else f"sha384:{self.sha384}"


class Subject(Model):
    """`name`: of a workload `policy#service` of its manifest, of a runtime the platform that measured it."""

    name: _Label
    digest: SubjectDigest


class Reference(Model):
    """Something that belongs to the release and that nobody judges: its source, its bill of materials, an image."""

    name: _Label
    digest: Annotated[
        dict[
            Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]{1,32}$")],
            Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32,128}$")],
        ],
        Field(min_length=1, max_length=4),
    ]


class ReleasePredicate(Model):
    casemate_release: FormatOne
    name: ReleaseName
    version: VersionText
    kind: ReleaseKind
    issued: Time
    expires: Time
    references: Annotated[list[Reference], Field(min_length=1, max_length=MAX_REFERENCES)] | None = None

    @model_validator(mode="after")
    def _lasts(self) -> ReleasePredicate:
        if self.expires <= self.issued:
            raise ValueError("it expires before it was issued")
        return self


class ReleaseStatement(Model):
    type_: Annotated[Literal["https://in-toto.io/Statement/v1"], Field(alias="_type")]
    subject: Annotated[list[Subject], Field(min_length=1, max_length=MAX_SUBJECTS)]
    predicateType: Literal["https://casemate.dev/release/v1"]  # noqa: N815 - in-toto names it so
    predicate: ReleasePredicate

    @model_validator(mode="after")
    def _of_its_kind(self) -> ReleaseStatement:
        wanted = "sha256:" if self.predicate.kind == "workload" else "sha384:"
        subjects = [(subject.name, subject.digest.text) for subject in self.subject]
        if not all(digest.startswith(wanted) for _, digest in subjects):
            raise ValueError(f"a subject of a {self.predicate.kind} has a digest of the other kind")
        if len(set(subjects)) != len(subjects):
            raise ValueError("a subject is named twice")
        return self


@dataclass(frozen=True, slots=True)
class SignedStatement:
    """A statement whose every signature verified, and the keys (`ed25519:…`) that made them: strangers, until a rule
    names them.
    """

    statement: ReleaseStatement
    signers: frozenset[str]
    envelope: Envelope

    def trimmed(self, keys: frozenset[str]) -> bytes:
        """The envelope with the signatures of `keys` only, in one spelling: anybody can add others, or spaces."""
        kept = [signature for signature in self.envelope.signatures if signature.keyid in keys]
        kept.sort(key=lambda signature: signature.keyid)
        return canonical.encode(self.envelope.model_copy(update={"signatures": kept}).to_object())


def open_statement(data: bytes) -> SignedStatement:
    """The release in an envelope (JSON). Errors: `InputError` where it is none, `SignatureError`."""
    return open_release(read_envelope(data))


def read_envelope(data: bytes) -> Envelope:
    """The envelope, whose signatures nobody verified. Errors: `InputError`."""
    value = canonical.decode(data, limit=MAX_STATEMENT_BYTES)
    return canonical.parse_model(Envelope, value, what="release statement")


def open_release(envelope: Envelope) -> SignedStatement:
    """The release in `envelope`. Errors: as `open_statement`."""
    # 1. It is signed for in-toto statements, its payload is canonical.
    value, signers = open_envelope(envelope, RELEASE_TYPE, limit=MAX_STATEMENT_BYTES)
    # 2. It is a release of ours, and nothing else that somebody signs as an in-toto statement.
    statement = canonical.parse_model(ReleaseStatement, value, what="release statement")
    return SignedStatement(statement, signers, envelope)
