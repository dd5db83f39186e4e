"""Documents as values: what `parse_document` promises beyond the messages that `test_source` checks."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casemate.errors import PolicyError
from casemate.policy.form import MAX_LEASE_SECONDS, MIN_LEASE_SECONDS, lease_seconds
from casemate.policy.model import MAX_DOCUMENT_BYTES, judge, parse_document
from casemate.wire import canonical
from casemate.wire.rules import MAX_NESTING

NESTED = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(alphabet=st.characters()) | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6) | st.integers(), inner, max_size=3),
    max_leaves=12,
)


def test_the_version_is_the_hash_of_the_canonical_document(world: Any) -> None:
    document = world.parsed()
    assert document.version == canonical.digest(world.document)
    assert document.data == canonical.encode(world.document)
    assert document.to_object() == world.document
    assert parse_document(document.to_object(), world.schemas) == document


def test_every_field_counts_for_the_version(world: Any) -> None:
    before = world.parsed().version
    world.service["lease"] = "300s"
    assert world.parsed().version != before


def test_services_come_with_their_templates_parsed(world: Any) -> None:
    service = world.parsed().services["api"]
    assert set(service.holes) == {"name", "PASSWORD"}
    assert service.variables == {"PASSWORD"}
    assert service.lease_seconds == 300
    assert service.files["/run/api/key.pem"].mode == "0440"
    assert service.platforms["simulated"].tcb == {"snp": 20, "microcode": 200}


def test_what_holds_a_secret_is_known_to_be_confidential(world: Any) -> None:
    world.service["holes"] = {"name": "{{ secret.tls.certificate }}", "both": "{{ secret.ca }}{{ secret.tls }}"}
    service = world.parsed().services["api"]
    confidential = {name for name, filling in service.holes.items() if filling.confidential}
    assert confidential == {"PASSWORD", "both"}
    assert service.files["/run/api/key.pem"].filling.confidential


def test_secrets_come_typed_with_their_kinds(world: Any) -> None:
    document = world.parsed()
    assert document.secret_kinds == {"password": "random", "image": "volume-key", "ca": "x509-ca", "tls": "x509"}
    assert document.secret_specs["tls"].to_object() == {
        "kind": "x509",
        "rotate": 1,
        "issuer": "ca",
        "dns": ["api.records"],
    }


def test_defaults_are_the_narrow_ones(world: Any) -> None:
    del world.service["lease"], world.service["files"]["/run/api/key.pem"]["mode"]
    service = world.parsed().services["api"]
    assert service.lease_seconds == 300
    assert service.files["/run/api/key.pem"].mode == "0400"


def test_a_document_cannot_be_changed_afterwards(world: Any) -> None:
    document = world.parsed()
    with pytest.raises(AttributeError):
        document.policy = "acme/other"
    with pytest.raises(TypeError):
        document.services["api"] = None
    with pytest.raises(TypeError):
        document.services["api"].holes["name"] = None


@pytest.mark.parametrize("field", ["predecessor", "services", "secrets"])
def test_absence_has_one_spelling(world: Any, field: str) -> None:
    world.document[field] = None
    with pytest.raises(PolicyError, match=f"{field}: nothing is written here"):
        world.parsed()


def test_a_second_spelling_of_a_rule_is_refused(world: Any) -> None:
    world.document["access"]["read"] = {"any_": ["alice"]}
    with pytest.raises(PolicyError, match=r"access\.read: not an access rule"):
        world.parsed()


def test_rules_nest_to_their_limit(world: Any) -> None:
    def nested(levels: int) -> Any:
        rule: Any = {"any": ["alice"]}
        for _ in range(levels - 1):
            rule = {"all": [rule]}
        return rule

    world.document["access"]["read"] = nested(MAX_NESTING)
    assert world.parsed()
    world.document["access"]["read"] = nested(MAX_NESTING + 1)
    with pytest.raises(PolicyError, match=f"rules nest deeper than {MAX_NESTING} levels"):
        world.parsed()


def test_a_document_has_a_size_limit(world: Any) -> None:
    world.document["services"]["api"]["files"]["/run/api/other"] = {"content": ""}
    room = MAX_DOCUMENT_BYTES - len(canonical.encode(world.document))
    world.document["services"]["api"]["files"]["/run/api/other"]["content"] = "x" * room
    assert len(world.parsed().data) == MAX_DOCUMENT_BYTES
    world.document["services"]["api"]["files"]["/run/api/other"]["content"] += "x"
    with pytest.raises(PolicyError, match=f"at most {MAX_DOCUMENT_BYTES} bytes"):
        world.parsed()


@pytest.mark.parametrize(("count", "good"), [(64, True), (65, False)])
def test_the_number_of_files_is_limited(world: Any, count: int, good: bool) -> None:
    world.service["files"] = {f"/run/{number}": {"content": "x"} for number in range(count)}
    document, faults = judge(world.document, world.schemas)
    assert (document is not None) == good
    assert [fault.path for fault in faults] == ([] if good else [("services", "api", "files")])


@pytest.mark.parametrize(
    ("path", "good"),
    [("/run/" + "x" * 4090, True), ("/run/" + "x" * 4091, False), ("/run/a\nb", False), ("/run/\u202eyek", False)],
)
def test_paths_of_files_are_short_and_printable(world: Any, path: str, good: bool) -> None:
    world.service["files"] = {path: {"content": "x"}}
    document, faults = judge(world.document, world.schemas)
    assert (document is not None) == good
    wanted = "the path is too long, or has characters that do not show"
    assert [fault.message for fault in faults] == ([] if good else [wanted])


@pytest.mark.parametrize("size", [4096, 4097])
def test_a_value_of_a_hole_is_limited(world: Any, size: int) -> None:
    world.service["holes"]["name"] = "x" * size
    document, faults = judge(world.document, world.schemas)
    assert (document is None) == (size > 4096)
    assert [fault.message for fault in faults] == ["a value of a hole has at most 4096 bytes"] * (size > 4096)


def test_a_nul_in_a_hole_is_refused(world: Any) -> None:
    world.service["holes"]["name"] = "a\0b"
    with pytest.raises(PolicyError, match="holds no NUL"):
        world.parsed()


@pytest.mark.parametrize(
    ("text", "seconds"), [("5s", MIN_LEASE_SECONDS), ("5m", 300), ("1h", 3600), ("24h", MAX_LEASE_SECONDS)]
)
def test_leases_are_durations_within_limits(text: str, seconds: int) -> None:
    assert lease_seconds(text) == seconds


@pytest.mark.parametrize("text", ["4s", "86401s", "25h", "0s", "05s", "5", "5 s", "5s\n", "-5s", "1d", "\u0665s", ""])
def test_other_leases_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a duration|a lease lasts"):
        lease_seconds(text)


def test_a_field_that_a_kind_does_not_have_is_refused(world: Any) -> None:
    world.document["secrets"]["password"]["encoding"] = "hex"
    with pytest.raises(PolicyError, match="unknown field 'encoding'"):
        world.parsed()


def test_depth_is_limited_before_anything_recurses(world: Any) -> None:
    value: Any = "x"
    for _ in range(5000):
        value = [value]
    world.document["secrets"]["password"]["bytes"] = value
    with pytest.raises(PolicyError, match="nested deeper than 32 levels"):
        world.parsed()


@given(value=NESTED)
def test_any_value_is_a_document_or_a_policy_error(schemas: Any, value: Any) -> None:
    with pytest.raises(PolicyError):
        parse_document(value, schemas)


@pytest.mark.parametrize(
    ("key", "message", "remedy"),
    [
        ("password", "'password' is of kind random, and no key of an image", "name a secret of kind volume-key"),
        ("imagee", "there is no secret 'imagee'", "did you mean 'image'?"),
    ],
)
def test_the_key_of_an_image_is_a_secret_that_can_be_one(world: Any, key: str, message: str, remedy: str) -> None:
    world.service["image"] = {"key": key}
    _, (fault,) = judge(world.document, world.schemas)
    assert (fault.path, fault.message) == (("services", "api", "image", "key"), message)
    assert fault.remedy == remedy


def test_output_under_a_key_that_nobody_has_is_refused(world: Any) -> None:
    world.service["output"] = {"sealed": "image"}
    _, (fault,) = judge(world.document, world.schemas)
    assert fault.message == "nobody has the key 'image': the custodian would make it"
    world.document["secrets"]["image"]["commitment"] = "sha256:" + "0" * 64
    document, faults = judge(world.document, world.schemas)
    assert (document is not None, faults) == (True, [])


@pytest.mark.parametrize(
    ("key", "message", "remedy"),
    [
        ("password", "'password' is of kind random, and no key of sealed output", "name a secret of kind volume-key"),
        ("imagee", "there is no secret 'imagee'", "did you mean 'image'?"),
    ],
)
def test_what_seals_output_is_a_secret_that_can_be_a_key(world: Any, key: str, message: str, remedy: str) -> None:
    world.service["output"] = {"sealed": key}
    _, (fault,) = judge(world.document, world.schemas)
    assert (fault.path, fault.message) == (("services", "api", "output", "sealed"), message)
    assert fault.remedy == remedy


@pytest.mark.parametrize("output", ["sealed", {}, {"sealed": "image", "more": 1}, {"key": "image"}])
def test_output_that_is_not_sealed_under_a_key_is_no_policy(world: Any, output: object) -> None:
    world.service["output"] = output
    document, faults = judge(world.document, world.schemas)
    assert document is None
    assert all(fault.path[:3] == ("services", "api", "output") for fault in faults), faults
