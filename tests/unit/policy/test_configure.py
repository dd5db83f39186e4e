from __future__ import annotations

import traceback
from typing import Any

import pytest

from casemate.errors import CasemateError, DeniedError, TemplateError
from casemate.policy.configure import configure
from casemate.policy.templates import SecretReference
from casemate.wire.fields import b64u_encode
from casemate.wire.release import Configuration, User

SECRET = b"a-very-secret-value"
IMAGE_KEY = b"the-key-of-an-image".ljust(32, b".")


def lookup(reference: SecretReference) -> bytes:
    values = {
        "secret.password": SECRET,
        "secret.image": b64u_encode(IMAGE_KEY).encode(),
        "secret.tls.private_key": b"\x00KEY\xff",
    }
    return values[str(reference)]


def rendered(world: Any, lookup: Any = lookup) -> Configuration:
    return configure(
        world.parsed().services["api"],
        world.parsed_manifest().manifest,
        lookup,
        lambda name: name.encode().ljust(32, b"."),
    )


def test_holes_files_and_user_are_rendered(world: Any) -> None:
    configuration = rendered(world)
    assert configuration.holes == {"PASSWORD": SECRET.decode(), "name": "records"}
    assert [(file.path, file.content, file.mode) for file in configuration.files] == [
        ("/run/api/key.pem", b"\x00KEY\xff", "0440")
    ]
    assert configuration.user == User(uid=1000, gid=1000)


def test_an_image_gets_its_key_and_nobody_else_does(world: Any) -> None:
    assert rendered(world).image_key is None
    world.service["image"] = {"key": "image"}
    configuration = rendered(world)
    assert configuration.image_key == IMAGE_KEY
    assert "the-key-of" not in repr(configuration)
    assert b64u_encode(IMAGE_KEY) not in repr(configuration)


def test_output_is_sealed_under_the_key_that_the_service_names(world: Any) -> None:
    assert rendered(world).output_key is None
    world.document["secrets"]["image"]["commitment"] = "sha256:" + "0" * 64
    world.service["output"] = {"sealed": "image"}
    configuration = rendered(world)
    assert (configuration.output_key, configuration.image_key) == (IMAGE_KEY, None)
    assert b64u_encode(IMAGE_KEY) not in repr(configuration)


def test_secrets_do_not_show_when_a_configuration_is_printed(world: Any) -> None:
    assert SECRET.decode() not in repr(rendered(world))


def test_a_manifest_with_its_own_user_gets_none(world: Any) -> None:
    world.manifest["user"] = {"uid": 5, "gid": 5}
    del world.service["user"]
    assert rendered(world).user is None


def test_a_secret_is_never_rendered_into_an_argument(world: Any) -> None:
    world.service["holes"]["name"] = "{{ secret.password }}"
    asked: list[SecretReference] = []
    with pytest.raises(DeniedError) as caught:
        rendered(world, lambda reference: asked.append(reference) or b"")
    assert caught.value.step == "configuration.fits"
    assert caught.value.expected == "no secret in an argument"
    assert asked == []


def test_a_hole_that_the_manifest_does_not_leave_open_is_refused(world: Any) -> None:
    world.service["holes"]["port"] = "80"
    with pytest.raises(DeniedError) as caught:
        rendered(world)
    assert caught.value.got == "values for PASSWORD, name, port"


@pytest.mark.parametrize(
    ("value", "got"),
    [
        (b"a\x00b", "a NUL"),
        (b"\xffsecret", "other bytes"),
        (b"x" * 4097, "4097 bytes"),
        (b"two\nlines", "a value that does not"),
    ],
)
def test_a_value_that_no_hole_can_take_is_refused_without_showing_it(world: Any, value: bytes, got: str) -> None:
    with pytest.raises(TemplateError) as caught:
        rendered(world, lambda reference: value)
    assert (caught.value.step, caught.value.got) == ("template.hole", got)
    assert caught.value.message == "the hole PASSWORD cannot take this value"
    assert_silent(caught.value, value)


def test_the_longest_value_is_taken(world: Any) -> None:
    assert rendered(world, lambda reference: b"x" * 4096).holes["PASSWORD"] == "x" * 4096


def test_volumes_come_with_their_places_and_keys(world: Any) -> None:
    world.manifest["volumes"] = [{"path": "/a"}, {"path": "/data"}]
    world.document["volumes"] = {
        "cache": {"freshness": "interval", "root": "tag", "interval": "2s"},
        "records": {"freshness": "none", "root": "hash"},
    }
    world.service["volumes"] = {
        "/data": {"volume": "records", "mode": "write"},
        "/a": {"volume": "cache", "mode": "read"},
    }
    configuration = rendered(world)
    assert configuration.to_object()["volumes"] == [
        {"path": "/a", "volume": "cache", "mode": "read", "freshness": "interval", "root": "tag", "interval_ms": 2000,
         "key": b64u_encode(b"cache".ljust(32, b"."))},
        {"path": "/data", "volume": "records", "mode": "write", "freshness": "none", "root": "hash",
         "key": b64u_encode(b"records".ljust(32, b"."))},
    ]  # fmt: skip
    assert "records" not in repr(configuration)


def test_without_volumes_none_are_spelled(world: Any) -> None:
    assert "volumes" not in rendered(world).to_object()


@pytest.mark.parametrize("mounted", [{}, {"/other": "records"}, {"/data": "records", "/more": "cache"}])
def test_volumes_elsewhere_than_the_manifest_says_are_refused(world: Any, mounted: dict[str, str]) -> None:
    world.manifest["volumes"] = [{"path": "/data"}]
    world.document["volumes"] = {name: {"freshness": "none", "root": "hash"} for name in ("records", "cache")}
    world.service["volumes"] = {path: {"volume": name, "mode": "write"} for path, name in mounted.items()}
    with pytest.raises(DeniedError) as caught:
        rendered(world)
    assert (caught.value.step, caught.value.expected) == ("configuration.fits", "volumes at /data")


def assert_silent(error: CasemateError, value: bytes) -> None:
    assert error.__context__ is None
    told = "".join(traceback.format_exception(error)) + str(error.diagnostics())
    assert repr(value)[2:-1] not in told
