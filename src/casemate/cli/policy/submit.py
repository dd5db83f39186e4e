from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from casemate.cli import _custodians, _genesis
from casemate.cli._custodians import Custodian
from casemate.cli._files import read_text
from casemate.cli._home import home
from casemate.cli._output import Json, emit
from casemate.client.custodian import CustodianClient
from casemate.errors import NotFoundError, UsageError
from casemate.policy import source
from casemate.policy.model import PolicyDocument
from casemate.secrets.catalogue import SCHEMAS
from casemate.wire import canonical, dsse
from casemate.wire.fields import b64u_decode
from casemate.wire.policies import PolicyCreation, PolicyGenesis, PolicyUpdate, Submission, VersionAnswer

_EXPIRES: Final = timedelta(minutes=15)


def submit(
    file: Annotated[Path, typer.Argument(help="A policy file (YAML).")],
    signer: Annotated[list[str] | None, typer.Option("--as", help="An identity that signs; may be repeated.")] = None,
    on_top: Annotated[
        bool, typer.Option("--on-top", help="Replace whatever version is the newest; the file names none.")
    ] = False,
    sealed: Annotated[Path | None, typer.Option(help="Sealed values, from `policy seal`.")] = None,
    custodian: Custodian = None,
    as_json: Json = False,
) -> None:
    """Sign a policy file and submit it as the first or next version.

    Example: `casemate policy submit records.yaml --as alice --as auditor`
    """
    document = source.load(read_text(file), SCHEMAS)
    signers = [_custodians.identity(name) for name in signer] if signer else [_custodians.identity(None)]
    named = _genesis.custodian_of(home() / "policies", document.genesis)
    pin = _custodians.chosen(custodian, identity=named)
    with CustodianClient(pin.url, pin.genesis, signers[0].key) as client:
        genesis, newest = _newest(client, document)
        content = _with_predecessor(document, newest, on_top=on_top)
        statement = Submission(
            casemate_submission=1,
            custodian=pin.identity,
            genesis=document.genesis,
            predecessor=content.get("predecessor"),
            expires=(datetime.now(UTC) + _EXPIRES).replace(microsecond=0),
            document=content,
        )
        envelope = dsse.sign_envelope(dsse.POLICY_TYPE, statement.to_object(), [item.key for item in signers])
        answer = _send(client, genesis, newest, envelope, _sealed(sealed))
    emit(answer.to_object(), as_json=as_json, text=f"{answer.name}: version {answer.number} is {answer.version}")


def _newest(client: CustodianClient, document: PolicyDocument) -> tuple[PolicyGenesis, str | None]:
    try:
        answer = client.policy(document.genesis)
    except NotFoundError:
        return _genesis.find(home() / "policies", document.policy), None
    return _genesis.known(answer.genesis), answer.version


def _with_predecessor(document: PolicyDocument, newest: str | None, *, on_top: bool) -> dict[str, Any]:
    content = document.to_object()
    if newest is None or "predecessor" in content:
        return content
    if not on_top:
        raise UsageError(
            "the file does not say which version it replaces",
            expected=f"predecessor: {newest}",
            remedy="write that line into the file after looking at that version (policy show), or add --on-top",
        )
    return {**content, "predecessor": newest}


def _send(
    client: CustodianClient,
    genesis: PolicyGenesis,
    newest: str | None,
    envelope: dsse.Envelope,
    sealed: dict[str, bytes],
) -> VersionAnswer:
    if newest is None:
        record = canonical.encode(genesis.to_object())
        return client.create_policy(PolicyCreation(genesis=record, submission=envelope, sealed=sealed))
    return client.update_policy(genesis.identity(), PolicyUpdate(submission=envelope, sealed=sealed))


def _sealed(path: Path | None) -> dict[str, bytes]:
    if path is None:
        return {}
    try:
        return {name: b64u_decode(text) for name, text in json.loads(read_text(path)).items()}
    except (ValueError, AttributeError) as error:
        raise UsageError(f"{path} does not hold sealed values", remedy="make it with: casemate policy seal") from error
