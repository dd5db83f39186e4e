"""The launch bundle: what the untrusted host hands to a shield (spec/manifest.md)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

from casemate.errors import UsageError
from casemate.manifest.build import Built
from casemate.wire.fields import b64u_encode
from casemate.wire.manifest import HOLE_REFERENCE, Manifest
from casemate.wire.patterns import Pattern

__all__ = ["host_holes", "launch_bundle"]


def launch_bundle(
    built: Built,
    *,
    genesis: bytes | None = None,
    addresses: Sequence[str] = (),
    holes: Mapping[str, str] | None = None,
    mounts: Mapping[str, str] | None = None,
    volumes: Mapping[str, str] | None = None,
    layers: Mapping[str, str] | None = None,
    statements: Sequence[bytes] = (),
) -> bytes:
    """`mounts` and `volumes` are folders of this host by their places in the root, `layers` files by their roots,
    `statements` release statements for the custodian.
    """
    bundle: dict[str, object] = {
        "casemate_launch": 1,
        "manifest": b64u_encode(built.parsed.data),
        "holes": dict(holes or {}),
        "sources": built.sources,
        "mounts": dict(mounts or {}),
    }
    if volumes:
        bundle["volumes"] = dict(volumes)
    if layers:
        bundle["layers"] = dict(layers)
    if statements:
        bundle["statements"] = [b64u_encode(data) for data in statements]
    if genesis is not None:
        bundle["custodian"] = {"genesis": b64u_encode(genesis), "addresses": list(addresses)}
    return json.dumps(bundle).encode()


def host_holes(manifest: Manifest, given: Sequence[str], named: Mapping[str, str] | None = None) -> dict[str, str]:
    """Values of all host holes: those `named`, and those read off the arguments that a person gave.

    `UsageError` where they do not fit: each given argument must be the manifest's, literally or by filling its holes,
    and every host hole needs one value. The shield checks all this again.
    """
    values = dict(named or {})
    for name, value in _from_arguments(manifest, given).items():
        if values.setdefault(name, value) != value:
            raise UsageError(f"two values for the hole {name}", expected=values[name], got=value)
    for name, value in values.items():
        _check_value(manifest, name, value)
    _check_whole(manifest, values)
    return values


def _from_arguments(manifest: Manifest, given: Sequence[str]) -> dict[str, str]:
    if given and len(given) != len(manifest.arguments):
        raise UsageError(
            f"the manifest has {len(manifest.arguments)} arguments, {len(given)} were given",
            expected=" ".join(manifest.arguments),
            got=" ".join(given),
            remedy="leave them out, or give exactly these with values for the holes",
        )
    values: dict[str, str] = {}
    for template, argument in zip(manifest.arguments, given, strict=False):
        for name, value in _fit(manifest, template, argument).items():
            if values.setdefault(name, value) != value:
                raise UsageError(f"two values for the hole {name}", expected=values[name], got=value)
    return values


def _check_value(manifest: Manifest, name: str, value: str) -> None:
    hole = manifest.holes.get(name)
    if hole is None:
        raise UsageError(f"the manifest has no hole {name}", expected=_listed(_of_host(manifest)), got=name)
    if hole.from_ == "policy":
        raise UsageError(f"the hole {name} is filled by the policy, not here", remedy="leave it out")
    if not Pattern.parse(hole.pattern).matches(value):
        raise UsageError(f"a value that does not fit the hole {name}", expected=hole.pattern, got=value)


def _check_whole(manifest: Manifest, values: Mapping[str, str]) -> None:
    if missing := [name for name in _of_host(manifest) if name not in values]:
        raise UsageError(
            f"no value for the hole {missing[0]}",
            expected=manifest.holes[missing[0]].pattern,
            remedy=f"add --hole {missing[0]}=VALUE",
        )


def _of_host(manifest: Manifest) -> list[str]:
    return [name for name, hole in manifest.holes.items() if hole.from_ == "host"]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "no hole that the host fills"


def _fit(manifest: Manifest, template: str, argument: str) -> dict[str, str]:
    found = re.fullmatch(_as_regex(manifest, template), argument)
    if found is None:
        raise UsageError(
            "an argument does not fit the manifest",
            expected=template,
            got=argument,
            remedy="what runs is fixed: build another manifest, and have the policy name it",
        )
    filled = found.groupdict()
    policy_holes = [name for name in filled if manifest.holes[name].from_ == "policy"]
    if policy_holes:
        raise UsageError(
            f"the hole {policy_holes[0]} is filled by the policy, not here",
            got=argument,
            remedy="leave the arguments out, and name host holes with --hole",
        )
    return filled


def _as_regex(manifest: Manifest, template: str) -> str:
    """`template` with a named group for each hole; a hole that comes again has the same value again."""
    regex, position = "", 0
    for match in HOLE_REFERENCE.finditer(template):
        name = match[1]
        again = f"(?P<{name}>" in regex
        hole = f"(?P={name})" if again else f"(?P<{name}>{Pattern.parse(manifest.holes[name].pattern).for_re})"
        regex += re.escape(template[position : match.start()]) + hole
        position = match.end()
    return regex + re.escape(template[position:])
