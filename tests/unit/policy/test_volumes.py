"""`volumes` of a document: what may be mounted where, and what is told about it."""

from __future__ import annotations

import copy
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casemate.errors import PolicyError
from casemate.policy._volumes import volume_faults
from casemate.policy.form import interval_milliseconds
from casemate.policy.submission import check_anchor

RECORDS = {"freshness": "strict", "root": "hash", "accept_anchor": ["insecure_file"]}


@pytest.fixture
def sealed(world: Any) -> Any:
    """The policy with a volume that two services mount."""
    world.document["volumes"] = {"records": copy.deepcopy(RECORDS), "cache": {"freshness": "none", "root": "tag"}}
    world.service["volumes"] = {"/data": {"volume": "records", "mode": "write"}}
    world.document["services"]["reader"] = copy.deepcopy(world.service)
    world.document["services"]["reader"]["volumes"]["/data"]["mode"] = "read"
    return world


def refusal(world: Any) -> PolicyError:
    with pytest.raises(PolicyError) as caught:
        world.parsed()
    return caught.value


def test_services_come_with_their_volumes(sealed: Any) -> None:
    document = sealed.parsed()
    mounted = document.services["api"].volumes["/data"]
    assert (mounted.mode, mounted.volume) == ("write", document.volumes["records"])
    assert document.services["reader"].volumes["/data"].mode == "read"
    assert document.volumes["records"].accept_anchor == {"insecure_file"}


def test_two_services_may_write_and_take_turns(sealed: Any) -> None:
    sealed.document["services"]["reader"]["volumes"]["/data"]["mode"] = "write"
    assert sealed.parsed()


def test_a_volume_that_is_not_there_is_told_with_the_one_that_was_meant(sealed: Any) -> None:
    sealed.service["volumes"]["/data"]["volume"] = "record"
    error = refusal(sealed)
    assert error.message == "services.api.volumes./data.volume: there is no volume 'record'"
    assert error.remedy == "did you mean 'records'?"


def test_a_volume_is_mounted_once_in_a_service(sealed: Any) -> None:
    sealed.service["volumes"]["/more"] = {"volume": "records", "mode": "read"}
    assert "the volume records is mounted twice" in refusal(sealed).message


def test_the_key_of_a_tag_volume_reaches_one_service(sealed: Any) -> None:
    sealed.document["volumes"]["records"]["root"] = "tag"
    error = refusal(sealed)
    assert "root: tag reaches one service only, and records is mounted by api" in error.message
    assert error.remedy is not None
    assert "root: hash" in error.remedy
    del sealed.document["services"]["reader"]
    assert sealed.parsed()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"freshness": "interval"}, "freshness: interval needs its length"),
        ({"interval": "1s"}, "an interval, and freshness: strict"),
        ({"freshness": "interval", "interval": "9ms"}, 'an interval is from "10ms" to "1h"'),
        ({"freshness": "interval", "interval": "61m"}, 'an interval is from "10ms" to "1h"'),
        ({"freshness": "interval", "interval": "1"}, "not a duration"),
        ({"freshness": "interval", "interval": 1}, "a number or flag where text belongs"),
        ({"freshness": "often"}, "volumes.records.freshness"),
        ({"root": "sum"}, "volumes.records.root"),
        ({"accept_anchor": ["file"]}, "volumes.records.accept_anchor[0]"),
        ({"accept_anchor": "insecure_file"}, "expected a list"),
        ({"key": "x"}, "unknown field 'key'"),
    ],
)
def test_what_is_no_volume_is_told(sealed: Any, change: dict[str, Any], told: str) -> None:
    sealed.document["volumes"]["records"] |= change
    assert told in refusal(sealed).message


@pytest.mark.parametrize("path", ["data", "/", "/a/../b", "/proc/x", "/run/casemate", "/a/", "/\u202e"])
def test_a_place_is_a_path_that_a_manifest_can_name(sealed: Any, path: str) -> None:
    sealed.service["volumes"] = {path: {"volume": "records", "mode": "write"}}
    assert "services.api.volumes" in refusal(sealed).message


@pytest.mark.parametrize("mode", ["", "append", True, None])
def test_other_modes_are_refused(sealed: Any, mode: Any) -> None:
    sealed.service["volumes"]["/data"]["mode"] = mode
    assert "services.api.volumes./data.mode" in refusal(sealed).message


def test_as_many_volumes_as_a_manifest_has_places(sealed: Any) -> None:
    names = [f"v{n}" for n in range(17)]
    sealed.document["volumes"] |= {name: copy.deepcopy(RECORDS) for name in names}
    places = {f"/{name}": {"volume": name, "mode": "write"} for name in names}
    sealed.service["volumes"] = dict(list(places.items())[:16])
    assert sealed.parsed()
    sealed.service["volumes"] = places
    assert "services.api.volumes" in refusal(sealed).message


def test_a_policy_has_at_most_256_volumes(sealed: Any) -> None:
    sealed.document["volumes"] |= {f"v{n}": copy.deepcopy(RECORDS) for n in range(254)}
    assert len(sealed.parsed().volumes) == 256
    sealed.document["volumes"]["more"] = RECORDS
    assert refusal(sealed).message.startswith("volumes:")


@pytest.mark.parametrize(
    ("text", "milliseconds"), [("10ms", 10), ("1s", 1000), ("5m", 300_000), ("1h", 3_600_000), ("3600s", 3_600_000)]
)
def test_intervals_are_read(text: str, milliseconds: int) -> None:
    assert interval_milliseconds(text) == milliseconds


@given(st.text(max_size=10) | st.from_regex(r"[0-9]{0,8}(ms|s|m|h|d)?"))
def test_any_text_is_an_interval_or_refused(text: str) -> None:
    with suppress(ValueError):
        assert 10 <= interval_milliseconds(text) <= 3_600_000


@given(value=st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner)
                          | st.dictionaries(st.sampled_from(["volume", "mode", "records", "/data"]) | st.text(), inner),
                          max_leaves=8), in_service=st.booleans())  # fmt: skip
def test_any_value_is_volumes_or_a_policy_error(value: Any, in_service: bool) -> None:
    services = {"api": {"volumes": value}} if in_service else value
    volumes = {"records": RECORDS} if in_service else value
    for fault in volume_faults(volumes, services):
        assert fault.message


def test_a_strict_volume_under_an_anchor_of_the_host_is_refused_with_the_cure(sealed: Any) -> None:
    check_anchor(sealed.parsed(), "insecure_file")
    del sealed.document["volumes"]["records"]["accept_anchor"]
    with pytest.raises(PolicyError) as caught:
        check_anchor(sealed.parsed(), "insecure_file")
    assert (caught.value.step, caught.value.got) == ("submission.anchor", "none")
    assert caught.value.remedy == "write accept_anchor: [insecure_file] in volumes.records if that is good enough"
