"""Event logs: what is in them is replayed, what is none is refused, what firmware does wrong is said."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casemate.attestation.eventlog import (
    MAX_LOG_BYTES,
    MAX_RECORDS,
    MAX_RECORDS_BYTES,
    NO_ACTION,
    EventLog,
    fields_of_log,
    kind_of,
    replay,
)
from casemate.errors import EvidenceMalformedError, InputError
from casemate.testing.tpm.log import BANKS, Record, first_record, short_log, start, written

CODE = Record(0, 8, b"version", b"v1")
APPLICATION = Record(4, 0x8000_0003, b"loader")
SEPARATOR = Record(4, 4, b"\0\0\0\0", b"\0\0\0\0")
RECORDS = [CODE, APPLICATION, SEPARATOR]


def extended(bank: str, *digests: bytes, before: bytes | None = None) -> bytes:
    value = before or bytes(hashlib.new(bank).digest_size)
    for digest in digests:
        value = hashlib.new(bank, value + digest).digest()
    return value


@pytest.mark.parametrize("bank", BANKS)
def test_each_bank_is_replayed(bank: str) -> None:
    log = EventLog.parse(written(RECORDS))
    assert log.banks == tuple(BANKS)
    assert replay(log, bank) == {
        0: extended(bank, CODE.digest(bank)),
        4: extended(bank, APPLICATION.digest(bank), SEPARATOR.digest(bank)),
    }
    assert log.remarks == ()
    assert [kind_of(event) for event in log.events][:2] == ["EV_NO_ACTION", "EV_S_CRTM_VERSION"]


def test_a_log_for_tpm_12_has_one_bank() -> None:
    for records in (RECORDS, [Record(0, NO_ACTION, None, b"Spec ID Event00\0more"), *RECORDS]):
        log = EventLog.parse(short_log(records))
        assert log.banks == ("sha1",)
        assert replay(log, "sha1")[0] == extended("sha1", CODE.digest("sha1"))
        with pytest.raises(EvidenceMalformedError, match="no sha256 digests"):
            replay(log, "sha256")


def test_the_startup_locality_is_where_pcr_0_begins() -> None:
    log = EventLog.parse(written([Record(0, NO_ACTION, None, b"StartupLocality\0\x03"), *RECORDS]))
    assert log.locality == 3
    assert replay(log, "sha256")[0] == extended("sha256", CODE.digest("sha256"), before=bytes(31) + b"\x03")
    assert replay(log, "sha256")[4] == replay(EventLog.parse(written(RECORDS)), "sha256")[4]


def test_what_firmware_does_wrong_is_passed_by_and_said() -> None:
    right = replay(EventLog.parse(written(RECORDS)), "sha256")
    strange = [
        Record(5, NO_ACTION, b"not zero", b"anything"),
        *(replace(record, banks=("sha256",)) for record in RECORDS),
    ]
    for padding in (b"", b"\0" * 70, b"\xff" * 5):
        log = EventLog.parse(written(strange) + padding)
        assert replay(log, "sha256") == right
        assert len(log.remarks) == 3 + bool(padding)
        with pytest.raises(EvidenceMalformedError, match="has no sha384 digest"):
            replay(log, "sha384")


def test_a_record_that_belongs_to_no_register_is_none_of_the_strange_ones() -> None:
    log = EventLog.parse(written([Record(0xFFFF_FFFF, NO_ACTION, None, b"SP800-155 Event3"), *RECORDS]))
    assert log.remarks == ()


def test_a_log_is_shown() -> None:
    strange = [Record(0xFFFF_FFFF, NO_ACTION, None), *(replace(one, banks=("sha256",)) for one in RECORDS)]
    shown = fields_of_log(written(strange))
    assert (shown["log_records"], shown["log_banks"]) == (5, list(BANKS))
    assert shown["log_kinds"][1:3] == ["- EV_NO_ACTION", "0 EV_S_CRTM_VERSION"]
    assert shown["log_sha256_0"] == extended("sha256", CODE.digest("sha256")).hex()
    assert not any(name.startswith("log_sha384") for name in shown)


def locality(data: bytes, times: int = 1) -> bytes:
    return written([Record(0, NO_ACTION, None, b"StartupLocality\0" + data)] * times)


BAD = {
    "nothing": b"",
    "a first record that says nothing": short_log([Record(0, NO_ACTION, None, b"StartupLocality\0\x03")]),
    "cut off in a record": written(RECORDS)[:-1],
    "a register that there is not": written([Record(24, 8, b"")]),
    "extended into no register": written([Record(0xFFFF_FFFF, 8, b"")]),
    "a digest of a bank that is not listed": written([Record(0, 8, b"", banks=("sha384",))], banks=("sha256",)),
    "two digests of a bank": written([Record(0, 8, b"", banks=("sha256", "sha256"))]),
    "more digests than there are": written([Record(0, 8, b"", banks=("sha256",) * 9)]),
    "no bank": first_record(start(())),
    "a bank twice": first_record(start(("sha256", "sha256"))),
    "too many banks": first_record(start(("sha256",) * 9)),
    "a bank of another size": first_record(start(("sha256",), sizes=[20])),
    "a start that is cut": first_record(start()[:-1]),
    "a start that goes on": first_record(start() + b"\0"),
    "a start without the vendor's part": first_record(start()[:36]),
    "no locality": locality(b""),
    "a locality of two bytes": locality(b"\3\0"),
    "a locality that there is not": locality(b"\5"),
    "a locality again": locality(b"\3", 2),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_log_is_refused(name: str) -> None:
    with pytest.raises(EvidenceMalformedError) as caught:
        EventLog.parse(BAD[name])
    assert caught.value.step == "evidence.log"


def test_the_largest_log_is_read_and_a_larger_one_is_not() -> None:
    data = written(RECORDS)
    assert replay(EventLog.parse(data + bytes(MAX_LOG_BYTES - len(data))), "sha256")
    with pytest.raises(InputError, match="too large"):
        EventLog.parse(bytes(MAX_LOG_BYTES + 1))


def test_as_many_records_as_there_may_be() -> None:
    record = Record(0, 8, None, banks=()).written()
    most = written([]) + record * (MAX_RECORDS - 2) + Record(0, 8, b"").written()
    assert len(EventLog.parse(most).events) == MAX_RECORDS
    with pytest.raises(InputError, match="too large"):
        EventLog.parse(most + Record(0, 8, b"").written())


def test_as_many_bytes_of_records_as_there_may_be() -> None:
    empty = len(written([Record(0, 8, b"")]))
    largest = written([Record(0, 8, b"", data=b"x" * (MAX_RECORDS_BYTES - empty))])
    assert len(EventLog.parse(largest + bytes(1000)).events) == 2
    with pytest.raises(InputError, match="too large"):
        EventLog.parse(written([Record(0, 8, b"", data=b"x" * (MAX_RECORDS_BYTES - empty + 1))]))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_log_or_an_error(data: bytes) -> None:
    for candidate in (data, written(RECORDS) + data, first_record(data), first_record(start()[:24] + data)):
        try:
            log = EventLog.parse(candidate)
            for bank in log.banks:
                replay(log, bank)
        except EvidenceMalformedError as error:
            assert error.step == "evidence.log"  # noqa: PT017


def test_what_fills_a_log_up_is_zeros_or_ones_only() -> None:
    for padding in (b"\x01" * 70, b"\0" * 70 + b"\xff", b"\xff" * 70 + b"\0"):
        with pytest.raises(EvidenceMalformedError):
            EventLog.parse(written(RECORDS) + padding)


def test_a_log_of_the_largest_size_is_read_in_one_go() -> None:
    """Its records begin as padding does: whoever looked for that in all that is left each time would never end."""
    record = Record(0, 8, b"", banks=("sha256",))
    count = (MAX_RECORDS_BYTES - len(written([]))) // len(record.written())
    log = EventLog.parse(written([record] * count))
    assert len(log.events) == count + 1
