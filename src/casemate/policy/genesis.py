"""The genesis record (spec/policy.md, "Genesis record"): made once; its hash is the policy's identity."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from typing import Final

from casemate.errors import MalformedError
from casemate.policy._access import access_faults, principal_faults
from casemate.policy._explain import fill_form
from casemate.policy._faults import Fault, first_error
from casemate.wire import canonical
from casemate.wire.fields import b64u_encode
from casemate.wire.policies import PolicyGenesis
from casemate.wire.rules import Access, Principal

__all__ = ["make_genesis", "parse_genesis"]

_RANDOM_BYTES: Final = 32


def make_genesis(
    name: str,
    principals: Mapping[str, Principal],
    access: Access,
    custodian: str,
    insecure_simulation: bool,
    rng: Callable[[int], bytes] = secrets.token_bytes,
) -> PolicyGenesis:
    """A new policy's genesis. `custodian` is the identity (`sha256:…`) of the only one that may hold the policy.

    `insecure_simulation` can never change: true admits only the simulated platform, which protects nothing.
    """
    value = {
        "casemate_genesis": 1,
        "policy": name,
        "custodian": custodian,
        "principals": {principal: entry.to_object() for principal, entry in principals.items()},
        "access": access.to_object(),
        "insecure_simulation": insecure_simulation,
        "random": b64u_encode(rng(_RANDOM_BYTES)),
    }
    return _judged(value)


def parse_genesis(data: bytes) -> PolicyGenesis:
    """A record from its canonical bytes; `InputError`, `PolicyError`."""
    value = canonical.decode_canonical(data)
    genesis = _judged(value)
    # No field can be spelled in two ways today; the identity must be the hash of these bytes tomorrow, too.
    if canonical.encode(genesis.to_object()) != data:
        raise MalformedError("genesis: a field is spelled in a way that casemate would not", step="genesis.spelling")
    return genesis


def _judged(value: object) -> PolicyGenesis:
    faults: list[Fault] = []
    if isinstance(value, dict):
        principals = value.get("principals")
        faults = principal_faults(principals) + access_faults(value.get("access"), principals)
    if faults:
        raise first_error(faults)
    genesis, faults = fill_form(PolicyGenesis, value)
    if genesis is None:
        raise first_error(faults)
    return genesis
