from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casemate.errors import MalformedError
from casemate.wire.durations import parse_duration

HOUR, YEAR = timedelta(hours=1), timedelta(days=365)


def parsed(text: str) -> timedelta:
    return parse_duration(text, least=HOUR, most=YEAR)


@pytest.mark.parametrize(
    ("text", "seconds"), [("3600s", 3600), ("60m", 3600), ("1h", 3600), ("365d", 31_536_000), ("90m", 5400)]
)
def test_whole_numbers_with_a_unit_are_durations(text: str, seconds: int) -> None:
    assert parsed(text).total_seconds() == seconds


@pytest.mark.parametrize("text", ["3599s", "59m", "31536001s", "366d", "999999999d"])
def test_durations_out_of_bounds_are_refused(text: str) -> None:
    with pytest.raises(MalformedError) as caught:
        parsed(text)
    assert (caught.value.step, caught.value.got) == ("encoding.duration", text)
    assert caught.value.expected == "1:00:00 to 365 days, 0:00:00"


@pytest.mark.parametrize(
    "text",
    ["", "1", "h", "01h", "0h", "-1h", "+1h", "1 h", "1H", "1.5h", "1h30m", "1w", "1h\n", "\u0661h", "9999999999s"],
)
def test_other_spellings_are_no_durations(text: str) -> None:
    with pytest.raises(MalformedError) as caught:
        parsed(text)
    assert caught.value.message == "not a duration"


@given(st.text(max_size=100))
def test_any_text_gives_a_duration_or_our_own_error(text: str) -> None:
    try:
        found = parsed(text)
    except MalformedError:
        return
    assert HOUR <= found <= YEAR
