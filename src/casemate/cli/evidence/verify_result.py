from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from casemate.cli._custodians import Custodian, chosen
from casemate.cli._files import read_bytes
from casemate.cli._output import Json, emit
from casemate.cli.evidence._options import At, hexadecimal, time_given
from casemate.cli.evidence._shown import lines, said
from casemate.client.results import VerifiedResult, WantedResult, verify_result
from casemate.errors import MalformedError
from casemate.wire.fields import format_time


def verify_result_command(
    token: Annotated[Path, typer.Option(help="The token, as a custodian issued it; - is standard input.")],
    custodian: Custodian = None,
    nonce: Annotated[str | None, typer.Option(help="The nonce that it must be for, in hex.")] = None,
    service: Annotated[str | None, typer.Option(help="The service that it must be of, as acme/records#api.")] = None,
    affirming: Annotated[
        bool, typer.Option("--affirming", help="Refuse it if the custodian warns of anything.")
    ] = False,
    at: At = None,
    as_json: Json = False,
) -> None:
    """Verify an attestation result (EAR) of a pinned custodian, without a network: what it says of a workload.

    Whoever shows a token must also prove to hold the key that it names; that is between you and them.
    Example: `casemate evidence verify-result --token token.jwt --custodian main --service acme/records#api --affirming`
    """
    time = time_given(at)
    wanted = WantedResult(None if nonce is None else hexadecimal("--nonce", nonce), service, affirming)
    verified = verify_result(_text_of(token), chosen(custodian).genesis, at=time, wanted=wanted)
    facts = _facts(verified)
    emit(facts, as_json=as_json, text="\n".join(lines(said(facts))))


def _text_of(path: Path) -> str:
    try:
        return read_bytes(path).decode("ascii")
    except UnicodeDecodeError as error:
        raise MalformedError("no token: it is not text", step="result.form") from error


def _facts(verified: VerifiedResult) -> dict[str, Any]:
    result, workload = verified.result, verified.workload
    return {
        "status": workload.ear_status,
        "custodian": result.iss,
        "issued": format_time(datetime.fromtimestamp(result.iat, UTC)),
        "ends": format_time(datetime.fromtimestamp(result.exp, UTC)),
        "key": verified.key,
        "nonce": result.eat_nonce.hex(),
        "policy_version": workload.ear_appraisal_policy_ids[0],
        **workload.ear_attester_claims.to_object(),
        "vector": workload.ear_trustworthiness_vector.to_object(),
        "warnings": workload.ear_verifier_claims.warnings,
    }
