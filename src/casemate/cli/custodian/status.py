from __future__ import annotations

from casemate.cli._custodians import Custodian, chosen
from casemate.cli._output import Json, emit
from casemate.cli._patience import Wait, patiently
from casemate.client.custodian import CustodianClient
from casemate.wire.fields import format_time


def status(custodian: Custodian = None, wait: Wait = 0, as_json: Json = False) -> None:
    """Ask a pinned custodian how it is; the answer is verified. Example: `casemate custodian status`"""
    pin = chosen(custodian)
    with CustodianClient(pin.url, pin.genesis, None) as client:
        answer, instance = patiently(wait, client.custodian), client.instance()
    emit(
        {
            "name": pin.name,
            "url": pin.url,
            "identity": answer.identity,
            "version": answer.version,
            "time": format_time(answer.time),
            "instance_key": instance.key,
            "instance_until": format_time(instance.not_after),
        },
        as_json=as_json,
    )
