from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casemate.errors import CasemateError, PolicyError
from casemate.policy import source
from casemate.policy.genesis import make_genesis, parse_genesis
from casemate.policy.starter import starter
from casemate.wire import canonical
from casemate.wire.rules import Access, Principal

CUSTODIAN = "sha256:" + "c" * 64
KEYS = ["ed25519:" + letter * 42 + "A" for letter in "ABCD"]


def access(*names: str) -> Access:
    return Access.model_validate({"read": {"any": [*names]}, "update": {"all": [*names]}})


def make(names: list[str], **changes: Any) -> Any:
    principals = {name: Principal(key=key) for name, key in zip(names, KEYS, strict=False)}
    facts = {"name": "acme/records", "principals": principals, "access": access(*names), "custodian": CUSTODIAN}
    return make_genesis(**(facts | {"insecure_simulation": True} | changes))


def test_a_genesis_is_its_canonical_bytes(world: Any) -> None:
    genesis = make(["alice"])
    assert parse_genesis(canonical.encode(genesis.to_object())) == genesis


def test_two_policies_of_one_name_have_two_identities() -> None:
    assert make(["alice"]).identity() != make(["alice"]).identity()
    assert make(["alice"], rng=bytes).identity() == make(["alice"], rng=bytes).identity()


def test_the_random_has_32_bytes() -> None:
    asked: list[int] = []
    make(["alice"], rng=lambda size: asked.append(size) or bytes(size))
    assert asked == [32]


@pytest.mark.parametrize("simulation", [True, False])
def test_the_simulation_flag_is_part_of_the_identity(simulation: bool) -> None:
    genesis = make(["alice"], insecure_simulation=simulation, rng=bytes)
    other = make(["alice"], insecure_simulation=not simulation, rng=bytes)
    assert genesis.insecure_simulation is simulation
    assert genesis.identity() != other.identity()


def test_a_rule_that_names_nobody_is_refused() -> None:
    with pytest.raises(PolicyError, match="there is no principal 'bob'"):
        make(["alice"], access=access("bob"))


def test_one_key_under_two_names_is_refused() -> None:
    principals = {"alice": Principal(key=KEYS[0]), "bob": Principal(key=KEYS[0])}
    with pytest.raises(PolicyError, match="the same key as alice"):
        make(["alice"], principals=principals)


def test_a_name_that_is_none_is_refused() -> None:
    with pytest.raises(PolicyError, match="policy: not of the right form"):
        make(["alice"], name="records")


def test_a_record_with_an_unknown_field_is_refused() -> None:
    record = make(["alice"]).to_object() | {"services": {}}
    with pytest.raises(PolicyError, match="unknown field 'services'"):
        parse_genesis(canonical.encode(record))


@given(st.binary(max_size=300))
def test_any_bytes_are_a_genesis_or_our_own_error(data: bytes) -> None:
    with pytest.raises(CasemateError):
        parse_genesis(data)


@pytest.mark.parametrize("simulation", [True, False])
@pytest.mark.parametrize("names", [["alice"], ["alice", "no", "1", "null"]])
def test_the_starter_is_a_good_policy_that_admits_nothing_yet(schemas: Any, names: list[str], simulation: bool) -> None:
    genesis = make(names, insecure_simulation=simulation)
    text = starter(genesis)
    assert source.check(text, schemas) == []
    document = source.load(text, schemas)
    assert (document.policy, document.genesis) == (genesis.policy, genesis.identity())
    assert (dict(document.principals), document.access) == (genesis.principals, genesis.access)
    service = document.services["app"]
    assert list(service.platforms) == ["simulated" if simulation else "sev-snp"]
    assert (service.workload, service.runtime.everywhere) == ("sha256:" + "0" * 64, "sha384:" + "0" * 96)
    assert ("protects nothing" in text) == simulation


def test_the_starter_takes_what_is_known(schemas: Any) -> None:
    manifest, measurement = "sha256:" + "a" * 64, "sha384:" + "b" * 96
    text = starter(make(["alice"]), service="api", manifest=manifest, measurement=measurement)
    service = source.load(text, schemas).services["api"]
    assert (service.workload, service.runtime.everywhere) == (manifest, measurement)
    assert "zeros" not in text


def test_what_the_starter_shows_in_comments_is_good_too(schemas: Any) -> None:
    lines = starter(make(["alice"])).splitlines()
    shown = [
        line
        for line in lines
        if line.lstrip().startswith("#   ") or line.rstrip().endswith(("secrets:", "files:", "# volumes:"))
    ]
    shown += [line for line in lines if line.lstrip().startswith(("# holes:", "# environment:"))]
    text = "\n".join(line.replace("# ", "", 1) if line in shown else line for line in lines)
    secrets = {"random": schemas["random"]}
    found = [finding for finding in source.check(text, secrets) if "encoding" not in finding.message]
    assert found == []
    assert "\nsecrets:\n" in text
    assert "\nvolumes:\n" in text
    assert "    holes: {" in text
