"""Which custodian and which identity a command means: said, found by itself, or asked for; never guessed."""

from __future__ import annotations

from pathlib import Path

import pytest

from casemate.cli import _connecting, _genesis
from casemate.cli._custodians import chosen
from casemate.cli._genesis import custodian_of
from casemate.client import identities, pins
from casemate.errors import IdentityError, InputError, PolicyError, UsageError
from casemate.policy.genesis import make_genesis
from casemate.wire.policies import PolicyGenesis
from casemate.wire.rules import Access, AnyRule, Principal

from .conftest import Casemate, pin


def genesis(custodian: pins.Pin, name: str = "acme/records") -> PolicyGenesis:
    rule = AnyRule.model_validate({"any": ["alice"]})
    key = next(iter(custodian.genesis.board.principals.values())).key
    return make_genesis(name, {"alice": Principal(key=key)}, Access(read=rule, update=rule), custodian.identity, True)


def test_the_only_custodian_is_meant(home: Path) -> None:
    only = pin(home, "main")
    assert chosen(None) == chosen("main") == only


def test_none_or_two_are_not_guessed(home: Path) -> None:
    with pytest.raises(UsageError, match="which custodian\\? there are 0") as none:
        chosen(None)
    assert "casemate custodian init" in str(none.value.remedy)
    pin(home, "main")
    pin(home, "other")
    with pytest.raises(UsageError, match="which custodian\\? there are 2") as two:
        chosen(None)
    assert two.value.got == "main, other"


def test_the_one_that_a_manifest_or_record_names_is_found_by_its_identity(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    main, other = pin(home, "main"), pin(home, "other")
    monkeypatch.setenv("CASEMATE_CUSTODIAN", "main")
    assert chosen(None).name == "main"
    assert chosen(None, identity=other.identity) == other
    assert chosen("main", identity=main.identity) == main


def test_another_one_than_named_is_refused(home: Path) -> None:
    main, other = pin(home, "main"), pin(home, "other")
    with pytest.raises(UsageError, match="other is not the custodian that this belongs to") as refused:
        chosen("other", identity=main.identity)
    assert (refused.value.expected, refused.value.got) == (main.identity, other.identity)


def test_one_that_is_not_pinned_is_refused_with_the_way_to_pin_it(home: Path) -> None:
    pin(home, "main")
    with pytest.raises(UsageError, match="not pinned here") as refused:
        chosen(None, identity="sha256:" + "0" * 64)
    assert "--identity sha256:000" in str(refused.value.remedy)


def test_identities_are_said_by_option_or_variable_or_are_the_only_one(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match="which identity\\? there are 0"):
        _connecting.identity(None)
    identities.create(home / "identities", "alice")
    assert _connecting.identity(None).name == "alice"
    identities.create(home / "identities", "bob")
    with pytest.raises(UsageError, match="which identity\\? there are 2"):
        _connecting.identity(None)
    monkeypatch.setenv("CASEMATE_IDENTITY", "bob")
    assert _connecting.identity(None).name == "bob"
    assert _connecting.identity("alice").name == "alice"
    with pytest.raises(IdentityError, match="no identity carol"):
        _connecting.identity("carol")


def test_a_kept_record_says_whose_a_policy_is_by_name_hash_or_decision(home: Path) -> None:
    folder, main = home / "policies", pin(home, "main")
    record = genesis(main)
    assert custodian_of(folder, "acme/records") is None
    assert custodian_of(folder, record.identity()) is None
    _genesis.keep(folder, record)
    assert _genesis.find(folder, "acme/records") == record
    for policy in ("acme/records", record.identity(), record.identity()[: len("sha256:") + 16]):
        assert custodian_of(folder, policy) == main.identity
    assert custodian_of(folder, "sha256:" + "0" * 64) is None


def test_a_record_is_never_replaced(home: Path) -> None:
    folder, main = home / "policies", pin(home, "main")
    first = genesis(main)
    _genesis.keep(folder, first)
    _genesis.keep(folder, first)
    with pytest.raises(PolicyError, match="already another genesis record"):
        _genesis.keep(folder, genesis(main))
    assert _genesis.find(folder, "acme/records") == first


@pytest.mark.parametrize(
    "text", ["", "{}", "[", "\ud800".encode("utf-8", "surrogatepass").decode("latin-1"), "[" * 10**5]
)
def test_a_damaged_record_is_named(home: Path, text: str) -> None:
    folder = home / "policies"
    path = _genesis.keep(folder, genesis(pin(home, "main")))
    path.write_text(text)
    for call in (lambda: _genesis.find(folder, "acme/records"), lambda: custodian_of(folder, "sha256:00")):
        with pytest.raises(PolicyError, match=r"acme__records\.genesis\.json is not a genesis record") as refused:
            call()
        assert isinstance(refused.value.__cause__, InputError)


def test_why_asks_the_custodian_of_the_policy(home: Path, casemate: Casemate, alice: identities.Identity) -> None:
    """Of two pinned ones, the one whose policy begins as the decision's id does."""
    main, other = pin(home, "main"), pin(home, "other")
    assert casemate("why", "a" * 40, "--json").data["error"]["message"] == "which custodian? there are 2"
    record = genesis(other)
    _genesis.keep(home / "policies", record)
    decision = record.identity().removeprefix("sha256:")[:16] + "0" * 24
    assert "no custodian answers at" in casemate("why", decision, "--json").data["error"]["message"]
    refused = casemate("policy", "show", "acme/records", "--custodian", "main", "--json").data["error"]
    assert (refused["expected"], refused["got"]) == (other.identity, main.identity)
