"""A custodian under its shield serves TLS with a certificate over its own evidence: clients and files verify it."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest

from casemate.attestation.expectations import roots_of
from casemate.attestation.ra_tls import WantedPeer
from casemate.client.pins import Pin, load
from casemate.client.ra_tls import Peer, attested_context, refusal_in
from casemate.testing.stage import Stage, free_port, listens, wait_for

from .conftest import Installation, other_custodian


@dataclass
class Served:
    """A custodian with TLS at `port`, and what its user pinned of it."""

    stage: Stage
    pin: Pin
    port: int

    def get(self, path: str, **wrong: str) -> httpx.Response:
        """What it answers to those who accept it by its evidence."""
        runtime, manifest = (wrong.get(name, getattr(self.pin, name)) for name in ("runtime", "manifest"))
        wanted = WantedPeer(self.pin.identity, frozenset({runtime}), frozenset({manifest}))
        context = attested_context(Peer(wanted, roots_of(self.pin.genesis)))
        with httpx.Client(verify=context, trust_env=False) as client:
            return client.get(f"https://127.0.0.1:{self.port}{path}")


@pytest.fixture(scope="module")
def served(installation: Installation) -> Iterator[Served]:
    port = free_port()
    with other_custodian(installation, "--tls-port", str(port)):
        wait_for("the custodian's TLS", lambda: listens(port), seconds=60)
        yield Served(installation.stage, load(installation.stage.home / "custodians", "other"), port)


def test_who_pinned_a_custodian_speaks_with_it_by_its_evidence(served: Served) -> None:
    answer = served.get("/v1/jwks")
    assert answer.status_code == 200, answer.text
    # One for each time that it was started today.
    assert answer.json()["keys"]


@pytest.mark.parametrize("what", [{"runtime": "sha384:" + "0" * 96}, {"manifest": "sha256:" + "0" * 64}])
def test_a_custodian_of_other_code_is_refused_in_the_handshake(served: Served, what: dict[str, str]) -> None:
    with pytest.raises(httpx.HTTPError) as caught:
        served.get("/v1/jwks", **what)
    assert refusal_in(caught.value) is not None


def test_its_certificate_verifies_in_a_file(served: Served) -> None:
    pem = ssl.get_server_certificate(("127.0.0.1", served.port))
    file = served.stage.folder / "tls.pem"
    file.write_text(pem)
    words = ("evidence", "verify-certificate", "--certificate", file, "--json", "--custodian")
    told = json.loads(served.stage.cli(*words, "other").output)
    assert (told["custodian"], told["platform"]) == (served.pin.identity, "simulated")
    refused = served.stage.cli(*words, "main")
    assert refused.status != 0
    shown = served.stage.ask("evidence", "show", file)
    assert shown["evidence"]["platform"] == "sev-snp"
