"""The language of patterns: it means what other engines mean by it. Refusals are in spec/vectors/patterns.json."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casemate.wire.patterns import MAX_COUNT, MAX_GROUPS, MAX_PATTERN, MAX_WEIGHT, Pattern, PatternError

ATOMS = st.sampled_from(
    ["a", "b", "0", "é", ".", r"\d", r"\w", r"\s", r"\.", r"\n", r"\-", "[ab]", "[^a]", "[a-f0]", r"[\d-]", r"[^\s]"]
)
REPETITIONS = st.sampled_from(["", "", "?", "*", "+", "{2}", "{0,2}", "{1,}", "{0,}"])
PATTERNS = st.recursive(
    st.builds("{}{}".format, ATOMS, REPETITIONS),
    lambda inner: (
        st.builds("({}){}".format, inner, REPETITIONS)
        | st.builds("(?:{}){}".format, inner, REPETITIONS)
        | st.builds("{}|{}".format, inner, inner)
        | st.builds("{}{}".format, inner, inner)
    ),
    max_leaves=6,
)
# Short: nested repetitions take `re` exponential time.
VALUES = st.text(alphabet="ab0-. \n_é", max_size=5)


@given(PATTERNS, VALUES)
def test_a_pattern_means_what_python_means_by_it(pattern: str, value: str) -> None:
    meant = re.fullmatch(pattern, value, re.ASCII) is not None
    assert Pattern.parse(pattern).matches(value) is meant


@given(st.text(max_size=40) | st.text(alphabet="ab\\[]^-(){},?*+|.:d1", max_size=24), VALUES)
def test_any_text_gives_a_pattern_or_our_own_error(text: str, value: str) -> None:
    try:
        pattern = Pattern.parse(text)
    except PatternError:
        return
    assert pattern.matches(value) in {True, False}


@pytest.mark.parametrize(
    ("most", "over"),
    [
        ("a" * MAX_PATTERN, "a" * (MAX_PATTERN + 1)),
        (f"a{{{MAX_COUNT}}}", f"a{{{MAX_COUNT + 1}}}"),
        ("(" * MAX_GROUPS + "a" + ")" * MAX_GROUPS, "(" * (MAX_GROUPS + 1) + "a" + ")" * (MAX_GROUPS + 1)),
        ("(a{256}){4}", "(a{256}){4}b"),
        ("(a{0,256}|b{256,}|c{512})", "(a{0,256}|b{257,}|c{512})"),
    ],
)
def test_limits_hold_at_their_value_and_refuse_over_it(most: str, over: str) -> None:
    Pattern.parse(most)
    with pytest.raises(PatternError):
        Pattern.parse(over)


def test_the_largest_patterns_can_be_matched() -> None:
    """Each engine bounds the memory of a compiled pattern as well: what was read must never fail there."""
    for widest in [".", "[^é]", r"[^\w]", "\U0001f511"]:
        assert Pattern.parse(f"{widest}{{0,{MAX_COUNT}}}{widest}{{{MAX_WEIGHT - MAX_COUNT}}}").matches("") is False


def test_a_pattern_that_explodes_elsewhere_is_matched_in_linear_time() -> None:
    assert Pattern.parse("(a|a|a*)*b").matches("a" * 4096) is False
    assert Pattern.parse("(a|a|a*)*b").matches("a" * 4095 + "b") is True


@pytest.mark.parametrize("value", ["a\n", "\na", "A", "\uff41", "a\u0301", "\ud800"])
def test_a_value_matches_whole_and_exactly_or_not_at_all(value: str) -> None:
    assert Pattern.parse("a").matches("a")
    assert not Pattern.parse("a").matches(value)


def test_composed_and_decomposed_letters_stay_two() -> None:
    assert Pattern.parse("é").matches("é")
    assert not Pattern.parse("é").matches("e\u0301")
    assert Pattern.parse("e\u0301").matches("e\u0301")
