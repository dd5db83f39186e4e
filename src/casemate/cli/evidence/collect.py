from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Final

import typer

from casemate.attestation.cmw import EVIDENCE, Record, encode_cbor, encode_json
from casemate.cli._home import agent_socket
from casemate.cli._output import Json, emit, note
from casemate.cli.evidence._options import hexadecimal, one_of
from casemate.errors import UsageError
from casemate.machine.collect import SOURCES, Collected
from casemate.machine.collect import collect as collected

_REPORT_BYTES: Final = 64
_WRAPPERS: Final = {"json": encode_json, "cbor": encode_cbor}


def collect(
    platform: Annotated[
        str | None,
        typer.Option(
            help=f"Of which platform: {', '.join(SOURCES)}. Else the first that is here, never a simulated one."
        ),
    ] = None,
    report_data: Annotated[
        str | None, typer.Option(help="What the evidence is made over: 64 bytes in hex. Else they are random.")
    ] = None,
    nonce: Annotated[
        str | None, typer.Option(help="Instead: up to 64 bytes in hex, which are filled up with zeros.")
    ] = None,
    tpm: Annotated[
        Path | None, typer.Option(help="Ask this TPM: a device, or the Unix socket of one in software.")
    ] = None,
    key: Annotated[
        str | None, typer.Option(help="Persistent handle of the TPM's key that signs, as 0x81000003.")
    ] = None,
    log: Annotated[
        bool,
        typer.Option(help="Send the event log along; without, where programs extended registers that it is about."),
    ] = True,
    output: Annotated[
        Path | None, typer.Option("--out", "--output", "-o", help="Write it to this file instead of printing it.")
    ] = None,
    wrap: Annotated[
        str | None,
        typer.Option(help="Write it into the file as a conceptual message wrapper (RFC 9999): json or cbor."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Get evidence of this machine, as `casemate evidence verify` and `casemate evidence show` read it.

    Looked for are, in this order, SEV-SNP and TDX (configfs-tsm), SEV-SNP (/dev/sev-guest), Nitro (/dev/nsm), a TPM
    (/dev/tpmrm0). Example: `casemate evidence collect --nonce 00ff --out evidence.json`
    """
    one_of("--platform", platform, list(SOURCES))
    if platform not in (None, "tpm") and (tpm is not None or key is not None):
        raise UsageError("--tpm and --key are for platform tpm", got=platform)
    if one_of("--wrap", wrap, list(_WRAPPERS)) is not None and output is None:
        raise UsageError("--wrap is for files", got=wrap, remedy="name one with --out")
    asked = _report_data(report_data, nonce)
    found = collected(
        asked,
        platform="tpm" if tpm is not None or key is not None else platform,
        tpm=tpm,
        key=_handle(key),
        log=log,
        agent=agent_socket(),
    )
    if output is not None:
        _write(output, found, wrap)
    _tell(found, asked, output, as_json=as_json)


def _tell(found: Collected, asked: bytes, output: Path | None, *, as_json: bool) -> None:
    facts = {
        "platform": found.platform,
        "source": found.source,
        "others": list(found.others),
        "report_data": asked.hex(),
        "file": None if output is None else str(output),
    }
    if as_json:
        emit({**facts, **found.form}, as_json=True)
        return
    note(f"Evidence of {found.platform}, from {found.source}, over report data {asked.hex()}.")
    if found.others:
        note(f"Here is also {', '.join(found.others)}: name a platform to choose another.")
    if output is None:
        emit(found.form, as_json=True)
    else:
        emit(facts, as_json=False, text=f"written to {output}: casemate evidence verify --evidence {output}")


def _write(output: Path, found: Collected, wrap: str | None) -> None:
    data = json.dumps(found.form).encode() + b"\n"
    try:
        output.write_bytes(data if wrap is None else _WRAPPERS[wrap](Record(EVIDENCE, data.strip())))
    except OSError as error:
        raise UsageError(f"{output}: {error.strerror}") from error


def _report_data(report_data: str | None, nonce: str | None) -> bytes:
    if report_data is not None and nonce is not None:
        raise UsageError("--report-data and --nonce say the same in two ways", remedy="give one of them")
    if nonce is not None:
        return hexadecimal("--nonce", nonce, most=_REPORT_BYTES).ljust(_REPORT_BYTES, b"\0")
    if report_data is not None:
        return hexadecimal("--report-data", report_data, least=_REPORT_BYTES, most=_REPORT_BYTES)
    return os.urandom(_REPORT_BYTES)


def _handle(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        handle = int(text, 16)
    except ValueError:
        handle = 0
    # Persistent handles (TPM 2.0 Library, part 2, "TPM_HT").
    if not 0x8100_0000 <= handle <= 0x81FF_FFFF:
        raise UsageError("--key is a persistent handle", expected="0x81000000 to 0x81ffffff", got=text[:80])
    return handle
