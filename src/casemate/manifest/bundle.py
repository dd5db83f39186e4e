"""The launch bundle: what the untrusted host hands to a shield (spec/manifest.md)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

from casemate.errors import UsageError
from casemate.manifest.build import Built
from casemate.wire.fields import b64u_encode
from casemate.wire.manifest import HOLE_REFERENCE, Manifest

__all__ = ["host_holes", "launch_bundle"]


def launch_bundle(
    built: Built,
    *,
    genesis: bytes | None = None,
    addresses: Sequence[str] = (),
    holes: Mapping[str, str] | None = None,
    mounts: Mapping[str, str] | None = None,
) -> bytes:
    bundle: dict[str, object] = {
        "casemate_launch": 1,
        "manifest": b64u_encode(built.parsed.data),
        "holes": dict(holes or {}),
        "sources": built.sources,
        "mounts": dict(mounts or {}),
    }
    if genesis is not None:
        bundle["custodian"] = {"genesis": b64u_encode(genesis), "addresses": list(addresses)}
    return json.dumps(bundle).encode()


def host_holes(manifest: Manifest, given: Sequence[str]) -> dict[str, str]:
    """Values of host holes, read off the arguments that a person gave; `UsageError` where they do not fit.

    Each given argument must be the manifest's, literally or by filling its holes.
    """
    if not given:
        return {}
    if len(given) != len(manifest.arguments):
        raise UsageError(
            f"the manifest has {len(manifest.arguments)} arguments, {len(given)} were given",
            expected=" ".join(manifest.arguments),
            got=" ".join(given),
            remedy="leave them out, or give exactly these with values for the holes",
        )
    values: dict[str, str] = {}
    for template, argument in zip(manifest.arguments, given, strict=True):
        for name, value in _fit(manifest, template, argument).items():
            if values.setdefault(name, value) != value:
                raise UsageError(f"two values for the hole {name}", expected=values[name], got=value)
    return values


def _fit(manifest: Manifest, template: str, argument: str) -> dict[str, str]:
    pattern, names = "", []
    position = 0
    for match in HOLE_REFERENCE.finditer(template):
        pattern += re.escape(template[position : match.start()]) + f"({manifest.holes[match[1]].pattern})"
        names.append(match[1])
        position = match.end()
    pattern += re.escape(template[position:])
    found = re.fullmatch(pattern, argument) if "(?" not in pattern else None
    if found is None:
        raise UsageError("an argument does not fit the manifest", expected=template, got=argument)
    filled = dict(zip(names, _groups(pattern, found, names), strict=True))
    policy_holes = [name for name in names if manifest.holes[name].from_ == "policy"]
    if policy_holes:
        raise UsageError(f"the hole {policy_holes[0]} is filled by the policy, not here", got=argument)
    return filled


def _groups(pattern: str, found: re.Match[str], names: Sequence[str]) -> list[str]:
    """The outermost groups; holes' own patterns may have groups inside."""
    outer, depth, index, escaped, in_class = [], 0, 0, False, False
    for character in pattern:
        if escaped:
            escaped = False
        elif character == "\\":
            escaped = True
        elif in_class:
            in_class = character != "]"
        elif character == "[":
            in_class = True
        elif character == "(":
            index, depth = index + 1, depth + 1
            if depth == 1:
                outer.append(index)
        elif character == ")":
            depth -= 1
    return [found.group(number) for number in outer[: len(names)]]
