"""Pinned custodians: an identity under a name never becomes another one."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from casemate.client import pins
from casemate.errors import CustodianError, NotGenuineError, UsageError

from .conftest import make_genesis


def pin(name: str = "main", key: Ed25519PrivateKey | None = None, **changes: Any) -> pins.Pin:
    facts = {
        "name": name,
        "url": "http://127.0.0.1:7700",
        "genesis": make_genesis(key or Ed25519PrivateKey.generate()),
        "runtime": "sha384:" + "0" * 96,
        "manifest": "sha256:" + "0" * 64,
        "platform": "simulated",
        **changes,
    }
    return pins.Pin.model_validate(facts)


def test_a_pin_is_kept_as_it_is(tmp_path: Path) -> None:
    kept = pin()
    path = pins.save(tmp_path / "pins", kept)
    assert pins.load(tmp_path / "pins", "main") == kept
    assert pins.names(tmp_path / "pins") == ["main"]
    assert pins.exists(tmp_path / "pins", "main")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [item.name for item in path.parent.iterdir()] == ["main.json"]


def test_another_identity_under_a_name_is_refused(tmp_path: Path) -> None:
    first = pin()
    pins.save(tmp_path, first)
    with pytest.raises(NotGenuineError, match="another custodian is pinned as main") as refused:
        pins.save(tmp_path, pin())
    assert (refused.value.step, refused.value.expected) == ("custodian.pin", first.identity)
    assert pins.load(tmp_path, "main") == first


def test_what_changes_with_an_upgrade_can_be_pinned_anew(tmp_path: Path) -> None:
    first = pin()
    pins.save(tmp_path, first)
    later = first.model_copy(update={"url": "http://10.0.0.5:7700", "manifest": "sha256:" + "1" * 64})
    pins.save(tmp_path, later)
    assert pins.load(tmp_path, "main") == later


def test_a_damaged_pin_is_not_replaced_by_accident(tmp_path: Path) -> None:
    pins.save(tmp_path, pin()).write_text("{}")
    with pytest.raises(CustodianError, match="cannot be read"):
        pins.save(tmp_path, pin())


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[:-1],
        lambda text: "",
        lambda text: text.replace("simulated", "\\ud800"),
        lambda text: json.dumps({**json.loads(text), "more": 1}),
        lambda text: json.dumps({**json.loads(text), "runtime": "sha384:00"}),
        lambda text: json.dumps({**json.loads(text), "genesis": {}}),
        lambda text: "[" * 100_000,
        lambda text: text + " " * 2**21,
    ],
)
def test_a_damaged_pin_is_refused(tmp_path: Path, damage: Any) -> None:
    path = pins.save(tmp_path, pin())
    path.write_text(damage(path.read_text()))
    with pytest.raises(CustodianError, match=r"main\.json cannot be read"):
        pins.load(tmp_path, "main")


def test_a_missing_pin_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no custodian is pinned as main") as refused:
        pins.load(tmp_path, "main")
    assert "casemate custodian attest main" in str(refused.value.remedy)
    assert not pins.exists(tmp_path, "main")


@pytest.mark.parametrize("name", ["", "..", "../main", "a/b", "Main", "a" * 64, "a\n"])
def test_other_names_are_refused(tmp_path: Path, name: str) -> None:
    for call in (pins.load, pins.exists):
        with pytest.raises(UsageError, match="not a name"):
            call(tmp_path, name)
    with pytest.raises(UsageError, match="not a name"):
        pins.save(tmp_path, pin(name))
