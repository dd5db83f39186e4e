"""Release statements: what is one, what is none, and that a signature for anything else never makes one."""

from __future__ import annotations

import contextlib
import copy
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from casemate.errors import CasemateError, InputError, SignatureError
from casemate.wire import canonical
from casemate.wire.binding import signing_key_text
from casemate.wire.dsse import POLICY_TYPE, sign_envelope
from casemate.wire.statements import (
    MAX_STATEMENT_BYTES,
    PREDICATE_TYPE,
    RELEASE_TYPE,
    STATEMENT_TYPE,
    open_statement,
    version_order,
)

KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(31) + b"\x01")


def text(key: Ed25519PrivateKey) -> str:
    return signing_key_text(key.public_key().public_bytes_raw())


def statement() -> dict[str, Any]:
    return {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": "acme/records#api", "digest": {"sha256": "a" * 64}}],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "casemate_release": 1,
            "name": "acme/records",
            "version": "1.4",
            "kind": "workload",
            "issued": "2026-11-23T08:00:00Z",
            "expires": "2027-11-23T08:00:00Z",
            "references": [{"name": "source", "digest": {"gitCommit": "0" * 40}}],
        },
    }


def signed(value: object, *keys: Ed25519PrivateKey, payload_type: str = RELEASE_TYPE) -> bytes:
    return json.dumps(sign_envelope(payload_type, value, keys or (KEY,)).to_object()).encode()


def test_a_statement_is_opened_with_those_who_signed_it() -> None:
    opened = open_statement(signed(statement(), KEY, OTHER))
    assert opened.statement.to_object() == statement()
    assert opened.signers == {text(KEY), text(OTHER)}


def test_strangers_signatures_and_spaces_are_trimmed_off() -> None:
    plain, padded = signed(statement(), KEY), signed(statement(), OTHER, KEY).replace(b", ", b" ,  ")
    kept = frozenset({text(KEY)})
    assert open_statement(padded).trimmed(kept) == open_statement(plain).trimmed(kept)
    assert open_statement(open_statement(padded).trimmed(kept)).signers == kept


def test_a_signature_for_another_purpose_makes_no_statement() -> None:
    with pytest.raises(SignatureError) as error:
        open_statement(signed(statement(), payload_type=POLICY_TYPE))
    assert error.value.step == "dsse.type"


def test_one_signature_that_does_not_verify_spoils_the_statement() -> None:
    genuine = json.loads(signed(statement(), KEY, OTHER))
    genuine["signatures"][1]["keyid"] = text(Ed25519PrivateKey.generate())
    with pytest.raises(SignatureError) as error:
        open_statement(json.dumps(genuine).encode())
    assert error.value.step == "dsse.signature"


CASES: list[tuple[tuple[str | int, ...], object]] = [
    (("_type",), "https://in-toto.io/Statement/v0.1"),
    (("predicateType",), "https://slsa.dev/provenance/v1"),
    (("predicate", "casemate_release"), 2),
    (("predicate", "casemate_release"), True),
    (("predicate", "name"), "Acme/records"),
    (("predicate", "name"), "acme/records/more"),
    (("predicate", "version"), "1.4-beta"),
    (("predicate", "version"), "01.4"),
    (("predicate", "version"), "1.4.0.0.0"),
    (("predicate", "version"), "1.4\n"),
    (("predicate", "version"), 1),
    (("predicate", "kind"), "firmware"),
    (("predicate", "expires"), "2026-11-23T08:00:00Z"),
    (("predicate", "expires"), None),
    (("predicate", "more"), "x"),
    (("predicate", "references"), []),
    (("predicate", "references"), [{"name": "x", "digest": {}}]),
    (("subject",), []),
    (("subject",), [{"name": "x", "digest": {"sha256": "a" * 64}}] * 2),
    (("subject", 0, "name"), ""),
    (("subject", 0, "name"), "a\u202eb"),
    (("subject", 0, "digest"), {}),
    (("subject", 0, "digest"), {"sha384": "a" * 96}),
    (("subject", 0, "digest"), {"sha256": "a" * 64, "sha384": "a" * 96}),
    (("subject", 0, "digest"), {"sha256": "A" * 64}),
    (("subject", 0, "more"), "x"),
]


@pytest.mark.parametrize(("path", "value"), CASES)
def test_what_is_signed_and_no_release_is_refused(path: tuple[str | int, ...], value: object) -> None:
    wrong = copy.deepcopy(statement())
    inner: Any = wrong
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = value
    with pytest.raises(InputError):
        open_statement(signed({name: entry for name, entry in wrong.items() if entry is not None}))


def test_a_runtime_is_named_by_its_measurement() -> None:
    value = statement()
    value["predicate"] |= {"name": "casemate", "kind": "runtime"}
    with pytest.raises(InputError):
        open_statement(signed(value))
    value["subject"] = [{"name": "sev-snp", "digest": {"sha384": "e" * 96}}]
    assert open_statement(signed(value)).statement.subject[0].digest.text == "sha384:" + "e" * 96


def test_a_statement_has_a_largest_size() -> None:
    data = signed(statement())
    assert open_statement(data + b" " * (MAX_STATEMENT_BYTES - len(data))).signers == {text(KEY)}
    with pytest.raises(InputError):
        open_statement(data + b" " * (MAX_STATEMENT_BYTES - len(data) + 1))


@pytest.mark.parametrize(
    ("older", "newer"), [("1.4", "1.10"), ("1.4", "1.4.1"), ("1", "2"), ("0", "0.0.1"), ("9", "10.0")]
)
def test_versions_compare_number_by_number(older: str, newer: str) -> None:
    assert version_order(older) < version_order(newer)


def test_zeros_at_the_end_of_a_version_change_nothing() -> None:
    assert version_order("1.4") == version_order("1.4.0") == version_order("1.4.0.0")
    assert version_order("0") == version_order("0.0")


@given(st.binary(max_size=200), st.integers(0, 10_000), st.integers(0, 255))
def test_any_bytes_give_a_statement_or_our_own_error(data: bytes, at: int, byte: int) -> None:
    damaged = bytearray(signed(statement()))
    damaged[at % len(damaged)] = byte
    for one in (data, bytes(damaged), signed(canonical.decode(b"[[1]]"))):
        with contextlib.suppress(CasemateError):
            open_statement(one)
