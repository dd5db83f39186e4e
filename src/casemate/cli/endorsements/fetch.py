from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer

from casemate.attestation.catalogue import FORMATS
from casemate.attestation.platforms.intel.wanted import ROOT_LIST, ROOT_LIST_OF_A_PCCS
from casemate.attestation.platforms.sev_snp.wanted import LINES, of_line
from casemate.attestation.reading import evidence_in
from casemate.attestation.wanted import Wanted
from casemate.cli._files import read_bytes
from casemate.cli._output import Json, emit, note
from casemate.cli.endorsements._cache import CacheFolder, opened
from casemate.endorsements.again import again
from casemate.endorsements.fetching import SERVICES, Fetcher, Pace
from casemate.errors import UsageError
from casemate.wire.evidence import NO_ENDORSEMENTS

PACE: Final = Pace()
"""As fast as the vendors allow."""


def fetch(
    evidence: Annotated[
        list[Path] | None, typer.Option(help="Evidence of a machine: what endorses it is fetched. Several times.")
    ] = None,
    line: Annotated[
        list[str] | None, typer.Option(help=f"A product line of AMD, whatever the chip: {', '.join(LINES)}.")
    ] = None,
    amd: Annotated[str, typer.Option(help="AMD's service, or what answers in its place.")] = SERVICES["amd"],
    pccs: Annotated[str | None, typer.Option(help="A PCCS (caching service) to ask instead of Intel.")] = None,
    anew: Annotated[bool, typer.Option("--anew", help="Also what is there and lasts.")] = False,
    cache: CacheFolder = None,
    as_json: Json = False,
) -> None:
    """Fetch endorsements from the vendors into the cache. Without anything named: again what the cache has.

    Vendors limit how often they are asked (AMD: once in ten seconds), so this takes its time; what lasts is not asked
    for again. Example: `casemate endorsements fetch --evidence report.bin --line milan`
    """
    kept = opened(cache)
    wanted = list(_wanted(evidence or [], line or []))
    if not evidence and not line:
        wanted = [found for name in kept.names() if (found := again(name)) is not None]
    if not wanted:
        raise UsageError("nothing to fetch", remedy="name a machine's evidence (--evidence FILE) or a --line")
    services = {**SERVICES, "amd": amd, "intel": pccs or SERVICES["intel"]}
    fetcher = Fetcher(kept, services=services, pace=PACE, told=lambda text: None if as_json else note(text))
    if pccs is not None:
        wanted = [_of_pccs(one) for one in wanted]
    done = []
    for name, became in fetcher.fetch(wanted, now=datetime.now(UTC), anew=anew):
        word = "lasts" if became is None else became.value
        done.append({"name": name, "became": word})
        if not as_json:
            note(f"{name}: {word}")
    emit({"cache": str(kept.folder), "entries": done}, as_json=as_json, text=f"cache: {kept.folder}")


def _of_pccs(wanted: Wanted) -> Wanted:
    if wanted.name != ROOT_LIST:
        return wanted
    return replace(wanted, vendor="intel", path=ROOT_LIST_OF_A_PCCS)


def _wanted(files: list[Path], lines: list[str]) -> Iterator[Wanted]:
    for file in files:
        found = evidence_in(read_bytes(file))
        known = FORMATS[found.format]
        wanted = known.wanted(found.report, NO_ENDORSEMENTS)
        if not wanted:
            note(f"{file}: evidence of {known.platform} brings its endorsements along")
        yield from wanted
    for name in lines:
        if name.lower() not in LINES:
            raise UsageError(f"no product line {name}", expected=", ".join(LINES), got=name)
        yield from of_line(LINES[name.lower()])
        yield from of_line(LINES[name.lower()], vlek=True)
