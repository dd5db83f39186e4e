"""From the name of an entry back to where its vendor publishes it, to ask for it again."""

from __future__ import annotations

import re
from typing import Final

from casemate.attestation.platforms.intel.wanted import of_kind, of_machine, of_pck_authority
from casemate.attestation.platforms.sev_snp.wanted import LINES, of_line
from casemate.attestation.wanted import Wanted

__all__ = ["again"]

_MACHINES: Final = re.compile(r"intel/(tdx|sgx)-tcb/([0-9a-f]{12})\.json")
_SHARED: Final = {
    one.name: one
    for group in (
        *(of_line(product, vlek=vlek) for product in LINES.values() for vlek in (True, False)),
        *(of_pck_authority(authority) for authority in ("processor", "platform")),
        *(of_kind(kind) for kind in ("tdx", "sgx")),
    )
    for one in group
}


def again(name: str) -> Wanted | None:
    """None for what does not change: the certificate of a chip holds for years and is fetched with its evidence."""
    if machine := _MACHINES.fullmatch(name):
        return of_machine(machine[1], machine[2])
    return _SHARED.get(name)
