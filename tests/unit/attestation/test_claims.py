"""Nobody but the verifier makes claims."""

from __future__ import annotations

import ast
import dataclasses
from pathlib import Path
from typing import Any

import pytest

import casemate
from casemate.attestation.recorded import RecordedClaims
from casemate.claims import VERIFIER_TOKEN, VerifiedClaims, _VerifierToken
from casemate.testing.amd.cases import Case

SOURCES = Path(casemate.__file__).parent
PLATFORMS = ("nitro", "sev_snp", "sgx", "tdx", "tpm")


def facts(claims: VerifiedClaims) -> dict[str, Any]:
    return {item.name: getattr(claims, item.name) for item in dataclasses.fields(claims)}


@pytest.mark.parametrize(
    "token", [None, object(), _VerifierToken(), _VerifierToken], ids=["none", "anything", "another one", "its class"]
)
def test_claims_are_not_made_without_the_verifiers_token(milan: Case, token: Any) -> None:
    with pytest.raises(TypeError, match=r"made by casemate\.attestation only"):
        VerifiedClaims(**facts(milan.judge()), token=token)


def test_claims_are_not_made_without_any_token(milan: Case) -> None:
    with pytest.raises(TypeError, match="token"):
        VerifiedClaims(**facts(milan.judge()))


def test_claims_are_no_way_to_other_claims(milan: Case) -> None:
    claims = milan.judge()
    with pytest.raises((TypeError, ValueError), match="token"):
        dataclasses.replace(claims, platform="sev-snp")
    assert VERIFIER_TOKEN not in facts(claims).values()
    assert not hasattr(claims, "token")


def test_claims_have_no_other_forms() -> None:
    with pytest.raises(TypeError, match="no other forms"):
        type("Forged", (VerifiedClaims,), {"__post_init__": lambda self, token: None})


def test_claims_do_not_change(milan: Case) -> None:
    claims = milan.judge()
    with pytest.raises(dataclasses.FrozenInstanceError):
        claims.platform = "sev-snp"  # type: ignore[misc]
    with pytest.raises(TypeError):
        claims.details["key"] = "VLEK"  # type: ignore[index]


def test_recorded_claims_come_back_as_they_were(right: Case) -> None:
    claims = right.judge()
    restored = RecordedClaims.model_validate_json(RecordedClaims.of(claims).model_dump_json()).restore()
    assert facts(restored) == {**facts(claims), "seen": {}, "ends": {}, "details": {}}


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        (
            "VERIFIER_TOKEN",
            {
                "claims.py",
                "attestation/recorded.py",
                *(f"attestation/platforms/{name}/verify.py" for name in PLATFORMS),
            },
        ),
        (
            "Unasked",
            {
                "attestation/expectations.py",
                "cli/evidence/verify.py",
                *(f"attestation/platforms/{name}/verify.py" for name in ("nitro", "tpm")),
            },
        ),
        ("_VerifierToken", {"claims.py"}),
        ("RecordedClaims", {"attestation/recorded.py", "custodian/leases.py", "custodian/release_record.py"}),
    ],
)
def test_who_could_make_claims_or_ask_nothing_is_on_this_list(name: str, allowed: set[str]) -> None:
    assert {str(path.relative_to(SOURCES)) for path in SOURCES.rglob("*.py") if _mentions(path, name)} == allowed


def _mentions(path: Path, name: str) -> bool:
    for node in ast.walk(ast.parse(path.read_text())):
        found = {
            ast.Name: lambda node: node.id,
            ast.Attribute: lambda node: node.attr,
            ast.alias: lambda node: node.name,
            ast.ClassDef: lambda node: node.name,
        }.get(type(node), lambda node: None)(node)
        if found == name:
            return True
    return False
