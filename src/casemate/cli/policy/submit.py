from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from casemate.cli import _genesis
from casemate.cli._connecting import identity
from casemate.cli._custodians import Custodian, chosen
from casemate.cli._files import read_table
from casemate.cli._home import home
from casemate.cli._output import Json, emit
from casemate.cli._policy_file import SEALED_REMEDY
from casemate.cli.policy._document import load
from casemate.client.custodian import CustodianClient
from casemate.client.identities import Identity
from casemate.errors import MalformedError, NotFoundError, UsageError
from casemate.policy.model import PolicyDocument
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
    document = load(file)
    signers = _signers(signer or [None])
    brought = _sealed(sealed)
    named = _genesis.custodian_of(home() / "policies", document.genesis)
    pin = chosen(custodian, identity=named)
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
        answer = _send(client, genesis, newest, envelope, brought)
    emit(answer.to_object(), as_json=as_json, text=f"{answer.name}: version {answer.number} is {answer.version}")


def _signers(names: Sequence[str | None]) -> list[Identity]:
    """Each key once: a second signature by the same key would count for nothing."""
    found = {item.public: item for item in map(identity, names)}
    return list(found.values())


def _newest(client: CustodianClient, document: PolicyDocument) -> tuple[PolicyGenesis, str | None]:
    try:
        answer = client.policy(document.genesis)
    except NotFoundError:
        return _own_genesis(document), None
    return _genesis.known(answer.genesis), answer.version


def _own_genesis(document: PolicyDocument) -> PolicyGenesis:
    """The record kept here, for a first version."""
    genesis = _genesis.find(home() / "policies", document.policy)
    if genesis.identity() != document.genesis:
        raise UsageError(
            f"the genesis record of {document.policy} that is kept here is another one",
            expected=document.genesis,
            got=genesis.identity(),
            remedy="submit from where the policy was made, or correct `genesis` in the file",
        )
    return genesis


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
    kept = read_table(path, what="a file of sealed values", remedy=SEALED_REMEDY)
    try:
        return {name: b64u_decode(str(text)) for name, text in kept.items()}
    except MalformedError as error:
        raise UsageError(f"{path} does not hold sealed values", remedy=SEALED_REMEDY) from error
