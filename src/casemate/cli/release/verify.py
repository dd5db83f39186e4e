from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from casemate.cli._output import Json, emit
from casemate.cli.policy._document import load as load_policy
from casemate.cli.release._statement import load
from casemate.errors import NotAuthorisedError, UsageError
from casemate.policy.model import PolicyDocument
from casemate.policy.releases import Released, Wanted, judge_release, open_all
from casemate.wire.statements import ReleaseStatement


def verify(
    file: Annotated[Path, typer.Argument(help="A release statement.")],
    policy: Annotated[Path, typer.Option(help="A policy file (YAML).")],
    as_json: Json = False,
) -> None:
    """Judge a release statement by a policy, as the custodian will: which services admit what it names, and why not.

    Example: `casemate release verify records-1.4.json --policy records.yaml`
    """
    document, (data, opened) = load_policy(policy), load(file)
    statement, now, sent = opened.statement, datetime.now(UTC), open_all([data])
    places = list(_places(document, statement))
    if not places:
        raise UsageError(
            f"no service of {policy} goes by releases of this name",
            expected=f"workload or runtime: {{release: {statement.predicate.name}, …}}",
            remedy="name it in the policy",
        )
    admitted = []
    for place, released, wanted in places:
        found = judge_release(released, wanted, sent, document.principals, now)
        if not found.held:
            raise NotAuthorisedError(
                f"services.{place} does not admit it",
                step="release.verify",
                expected=found.expected,
                got=found.got,
                remedy=found.remedy,
            )
        admitted.append({"service": place, "subject": wanted.name, "digest": wanted.digest, "by": found.got})
    text = "\n".join(f"services.{one['service']}: {one['subject']} {one['digest']}, {one['by']}" for one in admitted)
    emit({"version": document.version, "admitted": admitted}, as_json=as_json, text=text)


def _places(document: PolicyDocument, statement: ReleaseStatement) -> Iterator[tuple[str, Released, Wanted]]:
    """Where the policy goes by this release, with what the statement names that could be meant there."""
    kind, name = statement.predicate.kind, statement.predicate.name
    for service in document.services.values():
        released = service.workload if kind == "workload" else service.runtime
        if not isinstance(released, Released) or released.name != name:
            continue
        meant = {f"{document.policy}#{service.name}"} if kind == "workload" else set(service.platforms)
        for subject in statement.subject:
            if subject.name in meant:
                yield f"{service.name}.{kind}", released, Wanted(kind, subject.name, subject.digest.text)
