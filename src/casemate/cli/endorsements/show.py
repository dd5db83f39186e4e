from __future__ import annotations

from datetime import UTC, datetime

from casemate.cli._output import Json, emit, note, table
from casemate.cli.endorsements._cache import CacheFolder, described, opened, validity


def show(cache: CacheFolder = None, as_json: Json = False) -> None:
    """List what the cache holds, and until when each holds. Example: `casemate endorsements show`"""
    kept, now = opened(cache), datetime.now(UTC)
    found = [(name, kept.facts(name)) for name in kept.names()]
    if as_json:
        emit({"cache": str(kept.folder), "entries": [described(*one, now) for one in found]}, as_json=True)
        return
    if not found:
        note(f"Nothing in {kept.folder}. Fill it: casemate endorsements fetch --evidence FILE")
    rows = [
        [name, "cannot be read: fetch it again" if facts is None else facts.what,
         "" if facts is None else validity(facts.end, now)]
        for name, facts in found
    ]  # fmt: skip
    table(["name", "what", "validity"], rows)
