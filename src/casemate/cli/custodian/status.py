from __future__ import annotations

from casemate.cli import _custodians
from casemate.cli._custodians import Custodian
from casemate.cli._output import Json, emit
from casemate.client.custodian import CustodianClient
from casemate.wire.fields import format_time


def status(custodian: Custodian = None, as_json: Json = False) -> None:
    """Ask a pinned custodian how it is; the answer is verified. Example: `casemate custodian status`"""
    pin = _custodians.chosen(custodian)
    with CustodianClient(pin.url, pin.genesis, None) as client:
        answer, instance = client.custodian(), client.instance()
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
