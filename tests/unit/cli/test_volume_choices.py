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
