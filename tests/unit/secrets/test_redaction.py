"""No secret is printed: not by repr, not by str, not by an error or its traceback."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from casemate.errors import CasemateError, SecretError
from casemate.secrets.keyring import StoredSecret, establish
from casemate.secrets.kind import Making
from casemate.wire import canonical
from casemate.wire.release import Configuration, ConfiguredFile

from .conftest import CA, DIGEST, START, TLS, Policy, spec

MARK = b"hunter2"
FORMS = (MARK.decode(), MARK.hex(), "aHVudGVyMg")
"""As text, in hexadecimal, in base64."""


def assert_silent(text: str) -> None:
    assert not [form for form in FORMS if form in text], text


def test_the_mark_would_be_seen() -> None:
    for text in (f"{MARK!r}", MARK.hex(), "aHVudGVyMg=="):
        with pytest.raises(AssertionError):
            assert_silent(text)


def test_a_stored_secret_shows_its_kind_and_not_its_material(policy: Policy) -> None:
    policy.update({"x": {"kind": "value", "commitment": DIGEST}}, {"x": MARK})
    secret = policy.secrets["x"]
    assert_silent(repr(secret) + str(secret) + str([secret]) + str(policy.secrets))
    assert "kind='value'" in repr(secret)


def test_what_making_a_secret_may_use_is_not_shown() -> None:
    making = Making("tls", START, lambda size: MARK * size, {"private_key": MARK, "certificate": b""}, lambda _: MARK)
    assert_silent(repr(making) + str(making))
    assert "tls" in repr(making)


def test_a_configuration_shows_neither_values_nor_contents() -> None:
    file = ConfiguredFile(path="/run/key", content=MARK, mode="0400")
    configuration = Configuration(casemate_configuration=1, holes={"PASSWORD": MARK.decode()}, files=[file])
    for value in (file, configuration, [file], {"x": configuration}):
        assert_silent(repr(value) + str(value))
    assert "/run/key" in repr(file)


def told(action: Callable[[], object], *kinds: type[Exception]) -> str:
    """All that an error says anywhere, its causes and traceback included."""
    with pytest.raises(kinds) as caught:
        action()
    error = caught.value
    facts = str(error.diagnostics()) if isinstance(error, CasemateError) else ""
    return "".join(traceback.format_exception(error)) + facts + repr(error)


def test_errors_of_the_keyring_hold_no_value(policy: Policy) -> None:
    document: dict[str, Any] = {"x": {"kind": "value", "commitment": DIGEST}}
    policy.update(document, {"x": MARK})
    stale = {"x": {"kind": "random", "bytes": 16}}
    assert_silent(told(lambda: policy.update(stale), SecretError))
    assert_silent(told(lambda: policy.update(stale, {"x": MARK}), SecretError))
    other = {"x": {"kind": "value", "commitment": "sha256:" + "b" * 64}}
    assert_silent(told(lambda: policy.update(other), SecretError))


def test_an_error_while_opening_a_value_is_passed_on_as_it_is(policy: Policy) -> None:
    def refuses(_name: str, _sealed: bytes, _commitment: str) -> bytes:
        raise SecretError("no", step="secrets.commitment")

    specs = {"x": spec({"kind": "value", "commitment": DIGEST})}
    text = told(lambda: establish(specs, {}, {"x": MARK}, open_value=refuses, now=START), SecretError)
    assert_silent(text)
    assert "secrets.commitment" in text


def test_a_stored_secret_that_is_damaged_tells_no_material(policy: Policy) -> None:
    policy.update({"x": {"kind": "value", "commitment": DIGEST}}, {"x": MARK})
    good = policy.secrets["x"].to_bytes()
    for damaged in (
        good.replace(b'"kind":"value"', b'"kind":1'),
        good.replace(b"aHVudGVyMg", b"aHVudGVyMg="),
        good.replace(b'"made_at"', b'"made"'),
        good[:-1],
        good + b" x",
    ):
        assert damaged != good
        text = told(lambda data=damaged: StoredSecret.from_bytes(data), CasemateError)
        assert_silent(text)


def test_a_key_that_is_stored_wrongly_is_not_shown(policy: Policy) -> None:
    policy.update({"ca": CA, "tls": TLS})
    broken = policy.secrets["ca"].model_copy(
        update={"material": {**policy.secrets["ca"].material, "private_key": MARK}}
    )
    policy.secrets["ca"] = broken
    policy.after(days=25)
    assert_silent(told(policy.release, Exception))


def test_a_document_s_own_mistakes_do_not_repeat_what_was_written() -> None:
    """Whoever writes a password where it does not belong has not published it yet."""
    for value in (
        {"kind": "value", "commitment": MARK.decode()},
        {"kind": "random", "bytes": MARK.decode()},
        {"kind": "private-key", "algorithm": MARK.decode()},
        {**TLS, "dns": [MARK.decode() + "!"]},
        {**TLS, "ip": [MARK.decode()]},
        {**CA, "valid_for": MARK.decode()},
    ):
        assert_silent(told(lambda fields=value: spec(fields), ValidationError))


def test_reading_a_configuration_tells_no_value() -> None:
    for value in (
        {"casemate_configuration": 1, "holes": {"x": {"y": MARK.decode()}}, "files": []},
        {"casemate_configuration": 1, "holes": MARK.decode(), "files": []},
        {
            "casemate_configuration": 1,
            "holes": {},
            "files": [{"path": "/", "content": MARK.decode() + "!", "mode": "0400"}],
        },
    ):
        assert_silent(told(lambda data=value: canonical.parse_model(Configuration, data, what="x"), CasemateError))
