from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from casemate.attestation.expectations import roots_of
from casemate.attestation.ra_tls import WantedPeer
from casemate.cli._custodians import Custodian, chosen
from casemate.cli._files import read_bytes
from casemate.cli._output import Json, emit
from casemate.cli.evidence._options import At, time_given
from casemate.cli.evidence._service import service_given
from casemate.client.peers import UP_TO_DATE_PLATFORMS, verify_peer
from casemate.client.tls_identity import verify_tls_identity

_POLICY: Final = "A policy file and its service (records.yaml#api): its platforms, with what it asks of them, instead."


def verify_certificate(
    certificate: Annotated[Path, typer.Option(help="The certificate, PEM or DER; - is standard input.")],
    custodian: Custodian = None,
    policy: Annotated[str | None, typer.Option(help=_POLICY)] = None,
    at: At = None,
    as_json: Json = False,
) -> None:
    """Verify that a TLS certificate is a pinned custodian's, without a network: by its evidence, and by its identity.

    Runtime and launch manifest must be those that were pinned. On a platform of which a policy has to ask something
    (Intel's: how new its documents are), name one that does. That a server holds the certificate's key is what a TLS
    handshake proves. Example: `casemate evidence verify-certificate --certificate main.pem --custodian main`
    """
    time = time_given(at)
    pin, data = chosen(custodian), read_bytes(certificate)
    wanted = WantedPeer(pin.identity, frozenset({pin.runtime}), frozenset({pin.manifest}))
    platforms = UP_TO_DATE_PLATFORMS if policy is None else service_given(policy)[1].platforms
    claims = verify_peer(data, roots=roots_of(pin.genesis), at=time, wanted=wanted, platforms=platforms)
    instance = verify_tls_identity(data, pin.genesis, at=time)
    facts = {
        "custodian": pin.identity,
        "platform": claims.platform,
        "product": claims.product,
        "runtime_measurement": claims.runtime_measurement,
        "manifest": pin.manifest,
        "instance": instance.key,
    }
    emit(facts, as_json=as_json, text="\n".join(f"{name}: {value}" for name, value in facts.items()))
