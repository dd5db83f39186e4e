"""What both languages must read alike: every file of spec/vectors but those of platforms."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from casemate.errors import CasemateError, InputError, MalformedError, SecretError
from casemate.wire import canonical
from casemate.wire.binding import Purpose, bind, digest_bytes, key_bytes, release_info, report_data, sha256_text
from casemate.wire.custodian import CustodianGenesis
from casemate.wire.fields import b64u_decode, b64u_encode, format_time, parse_time
from casemate.wire.manifest import ParsedManifest, holes_in, parse_manifest
from casemate.wire.patterns import Pattern, PatternError
from casemate.wire.problem import Problem
from casemate.wire.release import Configuration
from casemate.wire.sealing import open_sealed
from casemate.wire.volumes import VolumeAnswer

from .conftest import named, vectors

REPORT, INFO, SEALED = vectors("report-data"), vectors("release-info"), vectors("sealed-configuration")
GENESIS, CONFIGURATIONS, PROBLEMS = vectors("custodian-genesis"), vectors("configurations"), vectors("problems")
VOLUMES = vectors("volume-answers")
MANIFESTS, PATTERNS, JSON, ENCODINGS = (
    vectors("manifests"),
    vectors("patterns"),
    vectors("canonical-json"),
    vectors("encodings"),
)


def data_of(case: dict[str, Any], field: str) -> bytes:
    return b64u_decode(case["bytes"]) if "bytes" in case else str(case[field]).encode()


@pytest.mark.parametrize("case", REPORT["bind"])
def test_parts_are_bound_with_their_lengths(case: dict[str, Any]) -> None:
    assert bind(*(bytes.fromhex(part) for part in case["parts"])).hex() == case["bound"]


@pytest.mark.parametrize("case", REPORT["cases"])
def test_report_data(case: dict[str, Any]) -> None:
    parts = {name: case[name] for name in ("custodian", "signing_key", "hpke_key", "manifest")}
    data = report_data(Purpose(case["purpose"]), nonce=b64u_decode(case["nonce"]), **parts)
    assert data.hex() == case["report_data"]


def info_of(case: dict[str, Any]) -> bytes:
    names = ("custodian", "manifest", "policy_genesis", "policy_version", "signing_key")
    return release_info(nonce=b64u_decode(case["nonce"]), **{name: case[name] for name in names})


@pytest.mark.parametrize("case", INFO["cases"])
def test_release_info(case: dict[str, Any]) -> None:
    assert info_of(case).hex() == case["info"]


def opened(case: dict[str, Any]) -> bytes:
    key = X25519PrivateKey.from_private_bytes(b64u_decode(SEALED["private_key"]))
    return open_sealed(b64u_decode(case["sealed"]), key, info=info_of(case))


def test_a_configuration_opens_for_what_it_was_sealed_for() -> None:
    value = canonical.decode_canonical(opened(SEALED["good"]))
    assert value == SEALED["configuration"]
    assert canonical.parse_exact(Configuration, value, what="configuration").to_object() == value


@pytest.mark.parametrize("case", SEALED["hostile"], ids=named)
def test_a_configuration_opens_for_nothing_else(case: dict[str, Any]) -> None:
    with pytest.raises(SecretError) as caught:
        opened(case)
    assert caught.value.step == "hpke.open"


@pytest.mark.parametrize("case", GENESIS["good"], ids=named)
def test_a_genesis_record_has_one_identity(case: dict[str, Any]) -> None:
    record = canonical.parse_record(CustodianGenesis, case["record"].encode(), what="genesis")
    assert (record.identity(), record.identity_key) == (case["identity"], case["identity_key"])
    assert sha256_text(case["record"].encode()) == case["identity"]


@pytest.mark.parametrize("case", GENESIS["hostile"] + GENESIS["boards"], ids=named)
def test_what_is_no_genesis_record_has_no_identity(case: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        canonical.parse_record(CustodianGenesis, case["record"].encode("utf-8", "surrogatepass"), what="genesis")


def configuration(text: str) -> Configuration:
    return canonical.parse_model(Configuration, canonical.decode(text.encode()), what="configuration")


@pytest.mark.parametrize("case", CONFIGURATIONS["good"], ids=named)
def test_a_configuration_is_read(case: dict[str, Any]) -> None:
    assert canonical.encode(configuration(case["configuration"]).to_object()) == case["configuration"].encode()


@pytest.mark.parametrize("case", CONFIGURATIONS["hostile"], ids=named)
def test_what_is_no_configuration_is_refused(case: dict[str, Any]) -> None:
    with pytest.raises(MalformedError):
        configuration(case["configuration"])


@pytest.mark.parametrize("case", PROBLEMS["good"], ids=named)
def test_a_problem_document_is_read(case: dict[str, Any]) -> None:
    problem = canonical.parse_model(Problem, canonical.decode(case["problem"].encode()), what="problem")
    assert [problem.code, problem.id, problem.step, problem.got] == [case[x] for x in ("code", "id", "step", "got")]


@pytest.mark.parametrize("case", PROBLEMS["hostile"], ids=named)
def test_what_is_no_problem_document_is_refused(case: dict[str, Any]) -> None:
    with pytest.raises(MalformedError):
        canonical.parse_model(Problem, canonical.decode(case["problem"].encode()), what="problem")


@pytest.mark.parametrize("case", MANIFESTS["good"], ids=named)
def test_a_manifest_is_read_with_the_digest_of_its_bytes(case: dict[str, Any]) -> None:
    parsed = parse_manifest(case["manifest"].encode())
    assert parsed.digest == case["digest"]
    assert ParsedManifest.build(parsed.manifest) == parsed


@pytest.mark.parametrize("case", MANIFESTS["hostile"], ids=named)
def test_a_manifest_is_refused_for_its_reason(case: dict[str, Any]) -> None:
    with pytest.raises(InputError) as caught:
        parse_manifest(data_of(case, "manifest"))
    assert case["custodian"] in caught.value.message


@pytest.mark.parametrize("case", PATTERNS["accepted"], ids=lambda case: case["pattern"][:40])
def test_a_pattern_matches_what_it_means(case: dict[str, Any]) -> None:
    pattern = Pattern.parse(case["pattern"])
    assert [value for value in case["matches"] if not pattern.matches(value)] == []
    assert [value for value in case["refuses"] if pattern.matches(value)] == []


@pytest.mark.parametrize("case", PATTERNS["refused"], ids=lambda case: repr(case["pattern"][:40]))
def test_what_is_no_pattern_is_refused_for_its_reason(case: dict[str, Any]) -> None:
    with pytest.raises(PatternError) as caught:
        Pattern.parse(case["pattern"])
    assert str(caught.value) == case["reason"]


@pytest.mark.parametrize("case", PATTERNS["texts"], ids=lambda case: repr(case["text"][:40]))
def test_texts_name_their_holes(case: dict[str, Any]) -> None:
    if case["holes"] is not None:
        assert holes_in(case["text"]) == case["holes"]
        return
    with pytest.raises(ValueError, match="that is not a"):
        holes_in(case["text"])


@pytest.mark.parametrize("case", JSON["canonical"], ids=lambda case: case["text"])
def test_json_has_one_canonical_form(case: dict[str, Any]) -> None:
    form = case["canonical"].encode()
    assert canonical.encode(canonical.decode(case["text"].encode())) == form
    assert canonical.decode_canonical(form) == canonical.decode(case["text"].encode())


@pytest.mark.parametrize("case", JSON["refused"], ids=named)
def test_what_can_be_read_in_two_ways_is_no_json(case: dict[str, Any]) -> None:
    with pytest.raises(MalformedError) as caught:
        canonical.decode(data_of(case, "text"))
    assert caught.value.step == case["step"]


READERS = {
    "digests": lambda text: digest_bytes(text).hex(),
    "keys": lambda text: key_bytes(text).hex(),
    "times": lambda text: int(parse_time(text).timestamp()),
    "base64url": lambda text: b64u_decode(text).hex(),
}


@pytest.mark.parametrize(("kind", "case"), [(kind, case) for kind in READERS for case in ENCODINGS[kind]["good"]])
def test_text_forms_are_read(kind: str, case: dict[str, Any]) -> None:
    assert READERS[kind](case["text"]) == case["seconds" if kind == "times" else "bytes"]


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind in READERS for text in ENCODINGS[kind]["refused"]])
def test_other_spellings_are_refused(kind: str, text: str) -> None:
    with pytest.raises(MalformedError) as caught:
        READERS[kind](text)
    error: CasemateError = caught.value
    assert str(error.step).startswith("encoding.")


def test_text_forms_are_written_as_they_are_read() -> None:
    for case in ENCODINGS["base64url"]["good"]:
        assert b64u_encode(bytes.fromhex(case["bytes"])) == case["text"]
    for case in ENCODINGS["times"]["good"]:
        assert format_time(parse_time(case["text"])) == case["text"]


def test_signing_keys_of_the_vectors_are_those_that_they_say() -> None:
    for case in vectors("request-signatures")["good"]:
        public = Ed25519PrivateKey.from_private_bytes(b64u_decode(case["seed"])).public_key()
        assert public.public_bytes_raw() == key_bytes(case["key"])


@pytest.mark.parametrize("case", VOLUMES["good"], ids=named)
def test_answers_about_volumes_are_read(case: dict[str, Any]) -> None:
    value = canonical.decode(case["answer"].encode())
    answer = canonical.parse_model(VolumeAnswer, value, what="answer")
    assert answer.to_object() == value


@pytest.mark.parametrize("case", VOLUMES["hostile"], ids=named)
def test_other_answers_about_volumes_are_refused(case: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        canonical.parse_model(VolumeAnswer, canonical.decode(case["answer"].encode()), what="answer")
