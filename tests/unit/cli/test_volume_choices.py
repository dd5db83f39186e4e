"""A volume's key and anchor are in files or with a policy's custodian, and a person says which."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Casemate

FILES = ("--key-file", "K", "--anchor", "file:A")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), "--key-file and --anchor, or --policy and --volume"),
        (("--key-file", "K"), "--key-file and --anchor, or --policy and --volume"),
        ((*FILES, "--policy", "acme/records", "--volume", "records"), "and a policy"),
        (("--key-file", "K", "--policy", "acme/records", "--volume", "records"), "and a policy"),
        ((*FILES, "--volume", "records"), "and a policy"),
        (("--policy", "acme/records"), "which volume of the policy?"),
        (("--volume", "records"), "which volume of the policy?"),
        (("--policy", "acme/records", "--volume", "records"), "which custodian?"),
    ],
)
@pytest.mark.parametrize("command", ["info", "verify", "create"])
def test_one_way_or_the_other(casemate: Casemate, command: str, options: tuple[str, ...], words: str) -> None:
    refused = casemate("volume", command, "V", *options)
    assert refused.status == 2
    assert words in refused.errors
    assert not list(Path().iterdir()), "nothing was made on the way"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), "say --to-key-file and --to-anchor, or --to-policy and --to-volume"),
        (("--to-key-file", "L"), "say --to-key-file and --to-anchor, or --to-policy and --to-volume"),
        (("--to-key-file", "L", "--to-anchor", "file:B", "--to-policy", "acme/records"), "and a policy"),
        (("--to-anchor", "file:B", "--to-volume", "records"), "and a policy"),
    ],
)
def test_a_copy_has_key_and_anchor_one_way_or_the_other(
    casemate: Casemate, options: tuple[str, ...], words: str
) -> None:
    refused = casemate("volume", "copy", "V", "W", *FILES, *options)
    assert refused.status == 2
    assert words in refused.errors
    assert not list(Path().iterdir()), "nothing was made on the way"


def test_a_volume_is_not_copied_into_its_own_folder(casemate: Casemate) -> None:
    Path("link").symlink_to("V")
    refused = casemate("volume", "copy", "V", "link", *FILES, "--to-key-file", "L", "--to-anchor", "file:B")
    assert (refused.status, "one folder" in refused.errors) == (2, True), refused.errors
