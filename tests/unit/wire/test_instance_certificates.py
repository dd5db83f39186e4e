"""Instance certificates, as every client of a custodian judges them: crates/custodian-client reads the same vectors."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from casemate.client.verification import RawAnswer, verified_instance
from casemate.errors import NotGenuineError
from casemate.wire import canonical
from casemate.wire.binding import signing_key_text
from casemate.wire.custodian import CustodianGenesis, InstanceCertificate
from casemate.wire.fields import b64u_decode, parse_time
from casemate.wire.signatures import sign_request, sign_response

from .conftest import named, vectors

FILE = vectors("instance-certificates")
GENESIS = canonical.parse_record(CustodianGenesis, FILE["genesis"].encode(), what="genesis")
INSTANCE = Ed25519PrivateKey.from_private_bytes(b64u_decode(FILE["instance_seed"]))
ASKED = sign_request(INSTANCE, method="GET", path="/", query="", body=b"", created=1, nonce=bytes(16))


def judged(case: dict[str, Any]) -> InstanceCertificate:
    """An answer that is genuine in all but, perhaps, the certificate that it carries."""
    answered = sign_response(
        INSTANCE,
        status=200,
        body=b"{}",
        instance=case["header"],
        request_signature=ASKED.signature,
        created=1,
        keyid=signing_key_text(INSTANCE.public_key().public_bytes_raw()),
    )
    raw = RawAnswer(200, {**answered.as_headers(), "casemate-instance": case["header"]}, b"{}")
    return verified_instance(raw, request_signature=ASKED.signature, genesis=GENESIS, at=parse_time(case["at"]))


def test_the_vectors_are_of_the_custodian_that_they_say() -> None:
    assert (GENESIS.identity(), GENESIS.identity_key) == (FILE["identity"], FILE["identity_key"])


@pytest.mark.parametrize("case", FILE["good"], ids=named)
def test_a_certificate_in_its_time_is_believed(case: dict[str, Any]) -> None:
    instance = judged(case)
    assert (instance.key, instance.sealing_key) == (case["key"], case["sealing_key"])


@pytest.mark.parametrize("case", FILE["hostile"], ids=named)
def test_any_other_certificate_is_refused_by_its_step(case: dict[str, Any]) -> None:
    with pytest.raises(NotGenuineError) as caught:
        judged(case)
    assert caught.value.step == case["step"]
