from __future__ import annotations

import shlex
from typing import Annotated, Any

import typer

from casemate.cli._output import Json, emit
from casemate.cli.image._opening import opened_image
from casemate.image.opened import Opened
from casemate.image.reading import Read
from casemate.wire.binding import sha256_text

_SEALED = (
    "names, content, owners and times of all files; which of the layers is a public one; the values that policy and "
    "custodian fill in"
)
_OPEN = "nothing of the layers: they are not encrypted; the values that policy and custodian fill in"


def inspect(
    image: Annotated[str, typer.Argument(help="A protected image: docker://HOST/NAME:TAG, oci:FOLDER:TAG, …")],
    as_json: Json = False,
) -> None:
    """Show exactly what whoever holds a protected image can see without its key.

    Example: `casemate image inspect oci:api:1`
    """
    with opened_image(image) as (read, opened, _):
        seen = _seen(read, opened)
    emit(seen, as_json=as_json, text=_text(seen))


def _seen(read: Read, opened: Opened) -> dict[str, Any]:
    manifest = opened.start.manifest
    return {
        "digest": read.digest,
        "created": opened.created,
        "architecture": opened.architecture,
        "labels": opened.visible.get("Labels") or {},
        "ports": sorted(opened.visible.get("ExposedPorts") or ()),
        "stop_signal": opened.visible.get("StopSignal"),
        "health": None if opened.question is None else dict(opened.question),
        "shield": {"blob": opened.shield.digest, "size": opened.shield.size},
        "layers": [{"root": part.root, "blob": part.digest, "size": part.size} for part in opened.sealed],
        "protection": opened.image.protection,
        "custodian": {"identity": sha256_text(opened.start.genesis), "addresses": list(opened.start.addresses)},
        "statements": len(opened.start.statements),
        "manifest": manifest.digest,
        "launch": manifest.manifest.to_object(),
        "hidden": _SEALED if opened.image.protection == "encrypted" else _OPEN,
    }


def _text(seen: dict[str, Any]) -> str:
    launch = seen["launch"]
    policy = launch["policy"]
    lines = {
        "image": seen["digest"],
        "made": f"{seen['created']} for linux/{seen['architecture']}",
        "labels": shlex.join(f"{name}={value}" for name, value in seen["labels"].items()) or "none",
        "ports": ", ".join(seen["ports"]) or "none",
        "stop signal": seen["stop_signal"] or "the engine's",
        "shield": f"{seen['shield']['size']} bytes, {seen['shield']['blob']}",
        "manifest": seen["manifest"],
        "policy": f"{policy['name']}#{policy['service']}, genesis {policy['genesis']}",
        "custodian": launch["custodian"],
        "asked at": ", ".join(seen["custodian"]["addresses"]) or "what the engine says",
        "runs": shlex.join([*launch["entrypoint"], *launch["arguments"]]),
        "user": f"{launch['user']['uid']}:{launch['user']['gid']}" if "user" in launch else "as the policy says",
        "in": launch["working_directory"],
        "rights": ", ".join(launch.get("capabilities", ())) or "none",
        "health check": _health(seen),
        "environment": shlex.join(f"{name}={value}" for name, value in launch["environment"].items()) or "empty",
        "holes": ", ".join(f"{n} ({h['from']}: {h['pattern']})" for n, h in launch["holes"].items()) or "none",
        "policy files": ", ".join(launch["files"]) or "none",
        "writable": _writable(launch),
        "volumes": ", ".join(one["path"] for one in launch.get("volumes", ())) or "none",
        "certificate": launch["ra_tls"]["path"] if "ra_tls" in launch else "none",
        "layers": f"{len(seen['layers'])}, {seen['protection']}",
    }
    text = "\n".join(f"{name:>12}  {value}" for name, value in lines.items())
    text += "".join(f"\n{part['size']:>26}  {part['root']}" for part in seen["layers"])
    return f"Everybody who has the image sees:\n\n{text}\n\nNobody sees without the key: {seen['hidden']}."


def _health(seen: dict[str, Any]) -> str:
    check = seen["launch"].get("health")
    if check is None:
        return "none"
    times = "".join(f", {name} {value}" for name, value in seen["health"].items() if name != "Test")
    return f"{shlex.join(check['command'])}, at most {check['timeout']} ms{times}"


def _writable(launch: dict[str, Any]) -> str:
    root = launch["image"].get("writable")
    places = [f"{one['path']} ({one['size']} bytes)" for one in launch["writable"]]
    return ", ".join([*([f"/ ({root} bytes)"] if root else []), *places]) or "nothing"
