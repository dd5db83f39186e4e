from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from casemate.cli._connecting import As, connect
from casemate.cli._custodians import Custodian
from casemate.cli._files import read_bytes
from casemate.cli._output import Json, emit, note
from casemate.cli._progress import bar
from casemate.cli.image import _keys
from casemate.cli.image._opening import opened_image
from casemate.cli.image._options import KeyOfImage
from casemate.cli.policy._document import load, newest
from casemate.cli.policy._genesis_of import genesis_of
from casemate.errors import ImageDiffersError
from casemate.image import shape
from casemate.image.opened import Opened
from casemate.image.reading import Read
from casemate.image.tool import Tool
from casemate.policy.model import Measurements, PolicyDocument, Service
from casemate.policy.releases import Released, Sent, Wanted, judge_release, open_all
from casemate.simulator import launch
from casemate.wire.binding import sha256_text

_REMEDY = "take the image that the policy's people protected, or have them admit this one"


def verify(
    image: Annotated[str, typer.Argument(help="A protected image.")],
    policy: Annotated[str, typer.Option(help="A policy file, or a policy whose newest version the custodian has.")],
    key_file: KeyOfImage = None,
    statement: Annotated[
        list[Path] | None, typer.Option(help="A release statement, beside those in the image; may be repeated.")
    ] = None,
    custodian: Custodian = None,
    who: As = None,
    as_json: Json = False,
) -> None:
    """Hold a protected image against a policy: its manifest, its shield, its layers, to the last byte.

    With the image key (that of the service, or --key-file) every piece of every layer is opened and verified, without
    it every blob's digest. Example: `casemate image verify oci:api:1 --policy records.yaml`
    """
    document = _document(policy, custodian, who)
    with opened_image(image) as (read, opened, scratch):
        statements = [*opened.start.statements, *(read_bytes(file) for file in statement or [])]
        passed = list(_steps(document, read, opened, scratch, open_all(statements)))
        readable = _keys.is_there(key_file, opened.start.manifest.manifest)
        with bar("verifying", quiet=as_json) as listener:
            if readable:
                key = _keys.key_of(key_file, opened.start.manifest.manifest)
                layers = opened.readable(read.fetch, key)
                Tool.installed().verify(layers, listener)
            else:
                opened.readable(read.fetch, None)
    passed.append("content" if readable else "layers")
    result = {
        "image": read.digest,
        "manifest": opened.start.manifest.digest,
        "version": document.version,
        "layers": len(opened.sealed),
        "content": readable,
        "steps": passed,
    }
    shown = "\n".join(
        f"{name}: {', '.join(value) if isinstance(value, list) else value}" for name, value in result.items()
    )
    emit(result, as_json=as_json, text=shown)
    if not readable and not as_json:
        note("Without the image key only the blobs' digests were verified: name it with --key-file.")


def _document(policy: str, custodian: str | None, who: str | None) -> PolicyDocument:
    if Path(policy).is_file() or "/" not in policy or policy.startswith((".", "/")):
        return load(Path(policy))
    with connect(custodian, who, policy=policy) as client:
        return newest(client, genesis_of(client, policy))


def _steps(document: PolicyDocument, read: Read, opened: Opened, scratch: Path, sent: Sequence[Sent]) -> Iterator[str]:
    """1. The policy is the image's. 2. Its service admits the manifest. 3. And the shield. 4. The custodian is the one
    that the manifest names. 5. What the policy mounts is what the manifest has places for.
    """
    manifest = opened.start.manifest.manifest
    binding = manifest.policy
    named = None if binding is None else (binding.name, binding.genesis)
    _same("policy", str((document.policy, document.genesis)), str(named))
    yield "policy"
    service = document.services.get("" if binding is None else binding.service)
    if service is None:
        raise _differs("service", ", ".join(document.services), "" if binding is None else binding.service)
    name = f"{document.policy}#{service.name}"
    _admitted("manifest", service.workload, [Wanted("workload", name, opened.start.manifest.digest)], document, sent)
    yield "manifest"
    measured = [Wanted("runtime", platform, digest) for platform, digest in _measured(read, opened, scratch, service)]
    _admitted("runtime", service.runtime, measured, document, sent)
    yield "runtime"
    _same("custodian", str(manifest.custodian), sha256_text(opened.start.genesis))
    yield "custodian"
    yield _places(service, opened)


def _places(service: Service, opened: Opened) -> str:
    _same("volumes", ", ".join(sorted(service.volumes)), ", ".join(opened.start.manifest.manifest.volume_paths))
    return "volumes"


def _measured(read: Read, opened: Opened, scratch: Path, service: Service) -> Iterator[tuple[str, str]]:
    """On each platform of the service, as far as a shield in a file says what will be measured there."""
    taken = scratch / "shield"
    shape.read_shield(read.content(opened.shield, shape.MAX_SHIELD_BYTES), taken)
    for platform in service.platforms:
        yield platform, launch.measure(taken, containers=platform == "simulated-container")


def _admitted(
    step: str,
    trusted: str | Measurements | Released,
    wanted: Sequence[Wanted],
    document: PolicyDocument,
    sent: Sequence[Sent],
) -> None:
    """One of `wanted` is what the policy trusts, itself or by a release statement."""
    if not isinstance(trusted, Released):
        pinned = {one.name: (trusted,) if isinstance(trusted, str) else trusted.on(one.name) for one in wanted}
        if not any(one.digest in pinned[one.name] for one in wanted):
            listed = " or ".join(dict.fromkeys(digest for digests in pinned.values() for digest in digests))
            raise _differs(step, listed or "none", ", ".join(one.digest for one in wanted))
        return
    now = datetime.now(UTC)
    found = [judge_release(trusted, one, sent, document.principals, now) for one in wanted]
    if not any(one.held for one in found):
        raise _differs(step, found[0].expected, found[0].got)


def _same(step: str, expected: str, got: str) -> None:
    if expected != got:
        raise _differs(step, expected, got)


def _differs(step: str, expected: str, got: str) -> ImageDiffersError:
    return ImageDiffersError(
        f"the image's {step} is not the policy's", step=f"image.{step}", expected=expected, got=got, remedy=_REMEDY
    )
