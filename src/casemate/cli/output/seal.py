from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from casemate.cli._connecting import As, connect
from casemate.cli._custodians import Custodian, chosen
from casemate.cli._output import Json, emit, note
from casemate.cli._policy_file import Brought, PolicyFile, unused
from casemate.cli.output._keys import KEYS, KeyFile, Policy, bound
from casemate.errors import UsageError
from casemate.wire.fields import b64u_decode


def seal(
    file: Annotated[Path, typer.Argument(help="The policy file, which is changed.")],
    policy: Policy,
    key_file: KeyFile = None,
    custodian: Custodian = None,
    who: As = None,
    as_json: Json = False,
) -> None:
    """Have what a service writes to standard output and error sealed, so that a log of the host holds it unread.

    Makes the output key, once, and puts it into the policy file, sealed to the custodian. It holds from the service's
    next start on. `casemate output open` reads.
    Example: `casemate output seal records.yaml --policy acme/records#api`
    """
    binding, genesis = bound(policy)
    policy_file = PolicyFile.opened(file, genesis)
    said = policy_file.service(binding.service)
    if not said:
        raise UsageError(f"{file} has no service {binding.service}", remedy="name one that it has, after the #")
    pin = chosen(custodian, identity=genesis.custodian)
    with connect(pin.name, who) as client:
        sealing_key = client.instance().sealing_key
    key, kept = KEYS.made_or_kept(key_file, binding, quiet=as_json)
    name = _secret_of(binding.service, said, policy_file.secrets)
    is_new = name not in policy_file.secrets
    sealed = policy_file.save(
        [(("services", binding.service, "output"), {"sealed": name})],
        {name: Brought("volume-key", b64u_decode(key))},
        custodian=pin.identity,
        sealing_key=sealing_key,
    )
    result: dict[str, Any] = {
        "policy": str(file),
        "service": binding.service,
        "secret": name,
        "key": str(kept),
        "sealed": None if sealed is None else str(sealed),
    }
    emit(result, as_json=as_json, text="\n".join(f"{what}: {value}" for what, value in result.items() if value))
    if not as_json:
        if not is_new:
            note(f"The policy has a secret {name} already: it is opened with the key that was sealed then.")
        brought = "" if sealed is None else f" --sealed {sealed}"
        note(f"Next: casemate policy submit {file}{brought} (with --on-top, if it is not the first)")


def _secret_of(service: str, said: Mapping[str, Any], secrets: Mapping[str, Any]) -> str:
    """The secret that the policy says for it, or a new one: each service has a key of its own."""
    output = said.get("output")
    known = output.get("sealed") if isinstance(output, dict) else None
    return known if isinstance(known, str) else unused(f"output_key_{re.sub(r'[^a-z0-9_]', '_', service)}", secrets)
