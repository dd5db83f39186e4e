"""Borrowing a volume: what was sealed for this request is opened, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from casemate.client.custodian import CustodianClient
from casemate.client.lending import Loan, borrow
from casemate.errors import NotGenuineError
from casemate.wire import canonical
from casemate.wire.binding import volume_info
from casemate.wire.release import ChallengeAnswer, Lease, PolicyReference
from casemate.wire.sealing import seal
from casemate.wire.volumes import ReleasedVolume, VolumeLeaseAnswer, VolumeLeaseRequest

CUSTODIAN, GENESIS, VERSION = ("sha256:" + digit * 64 for digit in "123")


class Lender(CustodianClient):
    """A custodian that seals for what `change` says instead of what was asked for."""

    def __init__(self, **change: Any) -> None:
        self.change = change
        self.asked: list[VolumeLeaseRequest] = []

    def challenge(self) -> ChallengeAnswer:
        return ChallengeAnswer(nonce=b"n" * 32, expires_in=60)

    def volume_lease(self, genesis: str, volume: str, request: VolumeLeaseRequest) -> VolumeLeaseAnswer:
        self.asked.append(request)
        facts: dict[str, Any] = {
            "custodian": CUSTODIAN,
            "nonce": request.nonce,
            "policy_genesis": genesis,
            "policy_version": VERSION,
            "volume": volume,
            "mode": request.mode,
            "signing_key": request.signing_key,
            **self.change,
        }
        released = ReleasedVolume(
            casemate_volume=1, volume=volume, mode=request.mode, freshness="strict", root="hash", key=b"k" * 32
        )
        sealed = seal(canonical.encode(released.to_object()), request.hpke_key, info=volume_info(**facts))
        reference = PolicyReference(genesis=genesis, version=VERSION, number=1)
        lease = Lease(id=b"l" * 16, seconds=60)
        return VolumeLeaseAnswer(decision="0" * 40, policy=reference, lease=lease, volume=sealed)


def lend(lender: Lender) -> Loan:
    return borrow(lender, custodian=CUSTODIAN, genesis=GENESIS, volume="records", mode="read")


def test_each_request_has_keys_of_its_own_and_the_loan_shows_none() -> None:
    lender = Lender()
    loans = [lend(lender), lend(lender)]
    assert [loan.released.key for loan in loans] == [b"k" * 32] * 2
    assert lender.asked[0].signing_key != lender.asked[1].signing_key
    assert lender.asked[0].hpke_key != lender.asked[1].hpke_key
    assert "kkk" not in repr(loans[0])
    assert "Ed25519" not in repr(loans[0])


@pytest.mark.parametrize(
    "change",
    [
        {"custodian": VERSION},
        {"nonce": b"o" * 32},
        {"policy_genesis": VERSION},
        {"policy_version": GENESIS},
        {"volume": "others"},
        {"mode": "write"},
        {"signing_key": "ed25519:" + "A" * 43},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_was_sealed_for_something_else_is_not_believed(change: dict[str, Any]) -> None:
    with pytest.raises(NotGenuineError) as caught:
        lend(Lender(**change))
    assert caught.value.step == "volume.key"


@pytest.mark.parametrize(("mode", "next_key"), [("rekey", None), ("rekey", b"k" * 32), ("write", b"n" * 32)])
def test_a_next_key_belongs_to_who_rekeys_and_is_another_one(mode: Any, next_key: bytes | None) -> None:
    with pytest.raises(ValidationError, match="a next key, another one, belongs to mode rekey"):
        ReleasedVolume(
            casemate_volume=1,
            volume="records",
            mode=mode,
            freshness="strict",
            root="hash",
            key=b"k" * 32,
            next_key=next_key,
        )
