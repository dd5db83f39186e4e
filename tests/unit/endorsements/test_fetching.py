"""Fetching from services that are busy, slow, down, or wrong: politely, with an end, and nothing is lost on the way."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from casemate.attestation.platforms.sev_snp.wanted import wanted
from casemate.attestation.wanted import Wanted
from casemate.endorsements import fetching
from casemate.endorsements.again import again
from casemate.endorsements.cache import Cache, Kept
from casemate.endorsements.facts import MAX_ENTRY_BYTES
from casemate.endorsements.fetching import Fetcher, Pace, check_service
from casemate.errors import EndorsementError, UnreachableError, UsageError
from casemate.testing.amd.cases import Case
from casemate.testing.vendors import Answer, Service, amd_publishes, service
from casemate.wire.evidence import NO_ENDORSEMENTS


class Clock:
    """Time passes by sleeping alone."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(round(seconds, 3))
        self.now += seconds

    def pace(self) -> Pace:
        return Pace(sleep=self.sleep, clock=lambda: self.now)


@pytest.fixture
def amd(chip: Case) -> Iterator[Service]:
    with service(amd_publishes(needed(chip), chip.endorsements)) as found:
        yield found


def needed(chip: Case) -> tuple[Wanted, ...]:
    return wanted(chip.evidence.report, NO_ENDORSEMENTS)


def fetch(
    cache: Cache, url: str, asked: tuple[Wanted, ...], clock: Clock, at: datetime, *, anew: bool = False
) -> dict[str, Kept | None]:
    fetcher = Fetcher(cache, services={"amd": url, "intel": url, "intel-root": url}, pace=clock.pace())
    return dict(fetcher.fetch(asked, now=at, anew=anew))


def test_everything_arrives_no_faster_than_amd_allows(cache: Cache, chip: Case, amd: Service) -> None:
    clock = Clock()
    became = fetch(cache, amd.url, needed(chip), clock, chip.at)
    assert set(became.values()) == {Kept.NEW}
    assert amd.asked == [one.path for one in needed(chip)]
    assert clock.slept == [10.0, 10.0]
    chip_id, tcb = bytes(range(1, 65)).hex(), "blSPL=04&teeSPL=02&snpSPL=24&ucodeSPL=219"
    assert amd.asked[-1] == f"/vcek/v1/Milan/{chip_id}?{tcb}"


def test_what_lasts_is_not_asked_for_again_and_what_is_half_over_is(cache: Cache, chip: Case, amd: Service) -> None:
    fetch(cache, amd.url, needed(chip), Clock(), chip.at)
    amd.asked.clear()
    name = "amd/milan/crl.der"
    facts = cache.facts(name)
    assert facts is not None
    middle = facts.start + (facts.end - facts.start) / 2
    listed = tuple(one for one in needed(chip) if one.name == name)
    assert fetch(cache, amd.url, listed, Clock(), middle - timedelta(seconds=1)) == {name: None}
    assert amd.asked == []
    assert fetch(cache, amd.url, listed, Clock(), middle) == {name: Kept.SAME}
    assert fetch(cache, amd.url, listed, Clock(), facts.start, anew=True) == {name: Kept.SAME}
    assert len(amd.asked) == 2


def test_a_busy_service_is_asked_again_after_the_time_that_it_names(cache: Cache, chip: Case, amd: Service) -> None:
    crl = next(one for one in needed(chip) if one.name.endswith("crl.der"))
    amd.answers[crl.path].first = [429, 503]
    amd.answers[crl.path].retry_after = "30"
    clock = Clock()
    assert fetch(cache, amd.url, (crl,), clock, chip.at) == {crl.name: Kept.NEW}
    assert clock.slept == [30.0, 60.0]
    assert len(amd.asked) == 3


@pytest.mark.parametrize("text", [None, "soon", "-1", "1e9", "99999999", "\u0663"])
def test_no_answer_makes_us_wait_for_ever(cache: Cache, chip: Case, amd: Service, text: str | None) -> None:
    crl = next(one for one in needed(chip) if one.name.endswith("crl.der"))
    amd.answers[crl.path].first = [503] * 100
    amd.answers[crl.path].retry_after = None if text is None or not text.isascii() else text
    clock = Clock()
    with pytest.raises(UnreachableError) as caught:
        fetch(cache, amd.url, (crl,), clock, chip.at)
    assert caught.value.got == "the service is busy (status 503)"
    assert "endorsements import" in str(caught.value.remedy)
    assert max(clock.slept) <= 120.0
    assert len(amd.asked) == 6


def test_a_service_that_is_down_is_told_and_what_came_before_is_kept(cache: Cache, chip: Case, amd: Service) -> None:
    first, *_ = needed(chip)
    fetch(cache, amd.url, (first,), Clock(), chip.at)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        down = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(UnreachableError) as caught:
            fetch(cache, down, needed(chip), Clock(), chip.at)
    assert caught.value.got == "no answer (ConnectError)"
    assert cache.get(first.name) is not None


def test_a_service_that_is_too_slow_is_left(
    cache: Cache, chip: Case, amd: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "_SECONDS", 0.05)
    first, *_ = needed(chip)
    amd.answers[first.path].seconds = 0.3
    with pytest.raises(UnreachableError) as caught:
        fetch(cache, amd.url, (first,), Clock(), chip.at)
    assert caught.value.got == "no answer (ReadTimeout)"


@pytest.mark.parametrize("status", [301, 302, 400, 401, 404, 410])
def test_what_the_vendor_does_not_have_is_told_at_once(cache: Cache, chip: Case, amd: Service, status: int) -> None:
    first, *_ = needed(chip)
    amd.answers[first.path] = Answer(b"", {"Location": f"{amd.url}/elsewhere"}, status=status)
    with pytest.raises(EndorsementError) as caught:
        fetch(cache, amd.url, (first,), Clock(), chip.at)
    assert caught.value.got == f"status {status}"
    assert amd.asked == [first.path]


@pytest.mark.parametrize("body", [b"", b"<html>", b"\x30\x03\x02\x01\x01", bytes(300_000), b"abc"])
def test_what_is_something_else_is_not_kept(cache: Cache, chip: Case, amd: Service, body: bytes) -> None:
    crl = next(one for one in needed(chip) if one.name.endswith("crl.der"))
    amd.answers[crl.path] = Answer(body)
    with pytest.raises(EndorsementError) as caught:
        fetch(cache, amd.url, (crl,), Clock(), chip.at)
    assert cache.get(crl.name) is None
    if len(body) > MAX_ENTRY_BYTES:
        assert caught.value.step == "endorsements.fetch"  # before all of it was read


def test_lists_of_a_pccs_come_in_hex(cache: Cache, chip: Case, amd: Service) -> None:
    crl = next(one for one in needed(chip) if one.name.endswith("crl.der"))
    body = amd.answers[crl.path].body
    amd.answers[crl.path] = Answer(body.hex().encode() + b"\n")
    fetch(cache, amd.url, (crl,), Clock(), chip.at)
    assert cache.get(crl.name) == body


@pytest.mark.parametrize(
    "url", ["", "amd.example", "http://amd.example", "ftp://amd.example", "https://", "https://a?b"]
)
def test_what_is_no_service_is_refused(url: str) -> None:
    with pytest.raises(UsageError):
        check_service(url)


def test_what_a_cache_has_is_known_again(chip: Case) -> None:
    chain, crl, vcek = needed(chip)
    assert (again(chain.name), again(crl.name), again(vcek.name)) == (chain, crl, None)
    machine = again("intel/tdx-tcb/00806f050000.json")
    assert machine is not None
    assert machine.path == "/tdx/certification/v4/tcb?fmspc=00806f050000"
    assert again("intel/tdx-tcb/00806f0500.json") is None
