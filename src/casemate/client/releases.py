"""Release statements as their authors make them (spec/releases.md): written, signed, signed by one more."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from casemate.errors import UsageError
from casemate.wire import canonical
from casemate.wire.binding import signing_key_text
from casemate.wire.dsse import Envelope, sign_envelope
from casemate.wire.statements import (
    MAX_STATEMENT_BYTES,
    PREDICATE_TYPE,
    RELEASE_TYPE,
    STATEMENT_TYPE,
    ReleaseStatement,
    open_statement,
)

__all__ = ["countersign", "sign", "write_statement"]


def write_statement(subjects: Sequence[tuple[str, str]], **predicate: Any) -> ReleaseStatement:
    """A statement on `subjects`, each a name with its digest (`sha256:…`, `sha384:…`); `predicate` are fields of
    `ReleasePredicate`. `MalformedError` where it would be none.
    """
    listed = []
    for name, text in subjects:
        algorithm, _, digest = text.partition(":")
        listed.append({"name": name, "digest": {algorithm: digest}})
    value = {
        "_type": STATEMENT_TYPE,
        "subject": listed,
        "predicateType": PREDICATE_TYPE,
        "predicate": {"casemate_release": 1, **predicate},
    }
    return canonical.parse_model(ReleaseStatement, value, what="release statement")


def sign(statement: ReleaseStatement, keys: Sequence[Ed25519PrivateKey]) -> bytes:
    """The statement in an envelope, signed by each of `keys`, as it is kept and sent."""
    return _file(sign_envelope(RELEASE_TYPE, statement.to_object(), keys))


def countersign(data: bytes, keys: Sequence[Ed25519PrivateKey]) -> bytes:
    """The same statement with the signatures of `keys` too. An `InputError` or `SignatureError` where it is none."""
    opened = open_statement(data)
    for key in keys:
        if signing_key_text(key.public_key().public_bytes_raw()) in opened.signers:
            raise UsageError("this identity signed already", remedy="let somebody else sign")
    more = sign_envelope(RELEASE_TYPE, opened.statement.to_object(), keys)
    both = [*opened.envelope.signatures, *more.signatures]
    return _file(opened.envelope.model_copy(update={"signatures": both}))


def _file(envelope: Envelope) -> bytes:
    data = json.dumps(envelope.to_object(), indent=1).encode() + b"\n"
    if len(data) > MAX_STATEMENT_BYTES:
        raise UsageError(
            "the statement is too long", expected=f"≤ {MAX_STATEMENT_BYTES} bytes", got=str(len(data)),
            remedy="make several, each for some of the manifests",
        )  # fmt: skip
    open_statement(data)  # what we write is what everybody reads
    return data
