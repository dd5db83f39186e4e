"""Every model: frozen, no field that is not declared, no second type for a value, our own error for anything else."""

from __future__ import annotations

import importlib
import pkgutil
from contextlib import nullcontext
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

import casemate.wire
from casemate.errors import InputError, MalformedError
from casemate.wire import canonical
from casemate.wire.fields import MAX_INTEGER, Model
from casemate.wire.policies import PolicyCreation, PolicyUpdate, Submission
from casemate.wire.release import ChallengeAnswer, Lease, RenewalRequest, User
from casemate.wire.statements import SubjectDigest
from casemate.wire.volumes import VolumeRequest

from .conftest import vectors

MODELS = sorted(
    {
        value
        for module in pkgutil.iter_modules(casemate.wire.__path__)
        for value in vars(importlib.import_module(f"casemate.wire.{module.name}")).values()
        if isinstance(value, type) and issubclass(value, Model) and value is not Model
    },
    key=lambda model: model.__name__,
)
DIGEST = "sha256:" + "0" * 64
KEY = vectors("encodings")["keys"]["good"][0]["text"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-MAX_INTEGER, MAX_INTEGER) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def test_the_models_are_found() -> None:
    assert {"Envelope", "Manifest", "AttestationRequest", "CustodianGenesis", "Submission"} <= {
        model.__name__ for model in MODELS
    }


@pytest.mark.parametrize("model", MODELS)
def test_a_field_that_is_not_declared_is_refused(model: type[Model]) -> None:
    with pytest.raises(ValidationError) as caught:
        model.model_validate({"undeclared": 1})
    found = [error["loc"] for error in caught.value.errors() if error["type"] == "extra_forbidden"]
    assert found == [("undeclared",)]


@pytest.mark.parametrize("model", MODELS)
def test_a_required_field_is_required(model: type[Model]) -> None:
    required = {field.alias or name for name, field in model.model_fields.items() if field.is_required()}
    if not required:
        with pytest.raises(ValidationError) if model in (VolumeRequest, SubjectDigest) else nullcontext():
            model.model_validate({})
        return
    with pytest.raises(ValidationError) as caught:
        model.model_validate({})
    assert {error["loc"][0] for error in caught.value.errors() if error["type"] == "missing"} == required


@pytest.mark.parametrize("model", MODELS)
def test_models_are_frozen_strict_and_silent_about_their_input(model: type[Model]) -> None:
    config = model.model_config
    assert (config["frozen"], config["strict"], config["extra"]) == (True, True, "forbid")
    assert config["hide_input_in_errors"]


@settings(max_examples=40)
@given(JSON)
@pytest.mark.parametrize("model", MODELS)
def test_any_json_gives_a_value_or_our_own_error(model: type[Model], value: Any) -> None:
    fields = {field.alias or name for name, field in model.model_fields.items()}
    for candidate in (value, dict.fromkeys(fields, value)):
        try:
            found = canonical.parse_model(model, candidate, what="x")
        except MalformedError:
            continue
        assert canonical.parse_model(model, found.to_object(), what="x") == found


@pytest.mark.parametrize("model", MODELS)
def test_secrets_and_bodies_show_no_bytes_that_are_marked(model: type[Model]) -> None:
    """Fields that hold what a workload gets are left out of `repr`."""
    hidden = {name for name, field in model.model_fields.items() if not field.repr}
    wanted = {
        "Configuration": {"holes", "files", "volumes", "image_key", "output_key"},
        "ConfiguredFile": {"content"},
        "ConfiguredVolume": {"key"},
        "ReleasedVolume": {"key", "next_key"},
    }
    assert hidden == wanted.get(model.__name__, set())


@pytest.mark.parametrize(
    ("model", "value", "field"),
    [
        (RenewalRequest, {"sequence": 0}, "sequence"),
        (RenewalRequest, {"sequence": MAX_INTEGER + 1}, "sequence"),
        (RenewalRequest, {"sequence": "1"}, "sequence"),
        (RenewalRequest, {"sequence": 1.0}, "sequence"),
        (RenewalRequest, {"sequence": True}, "sequence"),
        (User, {"uid": 2**31, "gid": 0}, "uid"),
        (User, {"uid": 0, "gid": -1}, "gid"),
        (ChallengeAnswer, {"nonce": "A" * 43, "expires_in": 0}, "expires_in"),
        (ChallengeAnswer, {"nonce": "A" * 42, "expires_in": 1}, "nonce"),
        (ChallengeAnswer, {"nonce": "A" * 44, "expires_in": 1}, "nonce"),
        (ChallengeAnswer, {"nonce": 7, "expires_in": 1}, "nonce"),
        (Lease, {"id": "A" * 21, "seconds": 1}, "id"),
        (Lease, {"id": "A" * 21 + "B", "seconds": 1}, "id"),
        (Lease, {"id": "A" * 22, "seconds": 0}, "seconds"),
    ],
)
def test_numbers_and_bytes_outside_their_form_are_refused(model: type[Model], value: Any, field: str) -> None:
    with pytest.raises(MalformedError) as caught:
        canonical.parse_model(model, value, what="x")
    assert caught.value.message.startswith(f"x: {field}: ")


def test_numbers_and_bytes_are_taken_at_their_limits() -> None:
    assert RenewalRequest.model_validate({"sequence": MAX_INTEGER}).sequence == MAX_INTEGER
    assert User.model_validate({"uid": 2**31 - 1, "gid": 0}).uid == 2**31 - 1
    assert Lease.model_validate({"id": "A" * 22, "seconds": 1}).id == bytes(16)


@pytest.mark.parametrize("model", [PolicyCreation, PolicyUpdate])
def test_sealed_values_have_names_of_secrets(model: type[Model]) -> None:
    envelope = {"payloadType": "x", "payload": "", "signatures": [{"keyid": KEY, "sig": "A" * 86 + "=="}]}
    value: dict[str, Any] = {"submission": envelope, "sealed": {"a" * 63: "AA"}}
    value |= {"genesis": "AA"} if model is PolicyCreation else {}
    canonical.parse_model(model, value, what="x")
    for name in ("", "A", "a" * 64, "a-b", "a\n", "1a"):
        with pytest.raises(MalformedError):
            canonical.parse_model(model, {**value, "sealed": {name: "AA"}}, what="x")


def test_a_null_for_an_absent_field_is_no_record() -> None:
    record = {
        "casemate_submission": 1,
        "custodian": DIGEST,
        "genesis": DIGEST,
        "expires": "2026-11-23T08:15:00Z",
        "document": {},
    }
    canonical.parse_record(Submission, canonical.encode(record), what="submission")
    with pytest.raises(InputError) as caught:
        canonical.parse_record(Submission, canonical.encode({**record, "predecessor": None}), what="submission")
    assert caught.value.step == "submission.spelling"
