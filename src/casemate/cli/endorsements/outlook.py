from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

import typer

from casemate.cli._connecting import As, connect
from casemate.cli._custodians import Custodian
from casemate.cli._output import Json, emit, note
from casemate.cli.endorsements._cache import CacheFolder, opened, validity
from casemate.cli.policy._document import newest
from casemate.cli.policy._genesis_of import genesis_of
from casemate.endorsements.outlook import Coming, outlook
from casemate.policy.model import PolicyDocument
from casemate.wire.fields import format_time
from casemate.wire.policies import DecisionAnswer

_MOST: Final = 100
"""Decisions in one answer of a custodian."""


def show_outlook(
    policy: Annotated[
        list[str] | None, typer.Option(help="A policy whose running services are looked at. Several times.")
    ] = None,
    days: Annotated[int, typer.Option(min=0, max=3650, help="How far to look ahead.")] = 30,
    cache: CacheFolder = None,
    custodian: Custodian = None,
    who: As = None,
    as_json: Json = False,
) -> None:
    """Tell what will end soon, endorsements and waivers, and which services will not start any more then.

    Example: `casemate endorsements outlook --policy acme/records --days 30`
    """
    decisions: list[DecisionAnswer] = []
    documents: list[PolicyDocument] = []
    for name in policy or []:
        with connect(custodian, who, policy=name) as client:
            genesis = genesis_of(client, name)
            decisions += client.decisions(genesis, limit=_MOST).decisions
            documents.append(newest(client, genesis))
    now = datetime.now(UTC)
    found = outlook(opened(cache), decisions, documents, at=now, within=timedelta(days=days))
    result = [
        {"name": one.name, "what": one.what, "end": format_time(one.end), "services": list(one.services)}
        for one in found
    ]
    emit({"coming": result}, as_json=as_json, text="\n".join(_sentence(one, now) for one in found))
    if not as_json and not found:
        note(f"Nothing ends within {days} days.")
    if not as_json and not policy:
        note("No services were looked at: name their policies with --policy.")


def _sentence(coming: Coming, at: datetime) -> str:
    """`2 services fail in 12 days: …`."""
    count, when = len(coming.services), validity(coming.end, at)
    if not count:
        return f"{when}: {coming.what} ({coming.name})"
    verb = "fail" if count > 1 else "fails"
    after = when.removeprefix("ends ") if when.startswith("ends") else f"now ({when})"
    listed = ", ".join(coming.services)
    return f"{count} service{'s' * (count > 1)} {verb} {after}: {coming.what} ({coming.name}): {listed}"
