"""The list of checks that `make removals` takes away: each is still in the code, under a name of its own."""

from __future__ import annotations

import pytest

from scripts.removals import ROOT, Removal, removals

LISTED = removals()


def test_names_are_unique() -> None:
    names = [item.name for item in LISTED]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("item", LISTED, ids=lambda item: item.name)
def test_the_check_is_in_the_code_once(item: Removal) -> None:
    assert (ROOT / item.file).read_text().count(item.old) == 1
    assert item.old != item.new


@pytest.mark.parametrize("item", [item for item in LISTED if not item.rust], ids=lambda item: item.name)
def test_the_tests_that_notice_it_exist(item: Removal) -> None:
    assert item.tests
    assert all((ROOT / test.partition("::")[0]).exists() for test in item.tests)
