from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import typer

from casemate.cli._connecting import As, connect
from casemate.cli._custodians import Custodian, chosen
from casemate.cli._output import Json, emit, note
from casemate.cli._policy_file import Brought, PolicyFile
from casemate.cli.output._keys import KEYS, KeyFile, Policy, bound
from casemate.errors import UsageError
from casemate.wire.fields import b64u_decode
from casemate.wire.manifest import PolicyBinding


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
    if not policy_file.service(binding.service):
        raise UsageError(f"{file} has no service {binding.service}", remedy="name one that it has, after the #")
    pin = chosen(custodian, identity=genesis.custodian)
    with connect(pin.name, who) as client:
        sealing_key = client.instance().sealing_key
    name = policy_file.secret_for(
        binding.service, "output", "sealed", f"output_key_{re.sub(r'[^a-z0-9_]', '_', binding.service)}"
    )
    kept = _key(policy_file, name, key_file, binding, quiet=as_json)
    sealed = policy_file.save(
        [(("services", binding.service, "output"), {"sealed": name})],
        {name: Brought("volume-key", b64u_decode(KEYS.load(kept)))},
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
        brought = "" if sealed is None else f" --sealed {sealed}"
        note(f"Next: casemate policy submit {file}{brought} (with --on-top, if it is not the first)")
        if sealed is None:
            note(
                "The key was sealed before: --sealed is needed all the same if the policy with it was never submitted."
            )


def _key(policy: PolicyFile, secret: str, given: Path | None, binding: PolicyBinding, *, quiet: bool) -> Path:
    """Where the service's key is; made where the policy has none yet. Another one would open nothing."""
    if secret not in policy.secrets:
        return KEYS.made_or_kept(given, binding, quiet=quiet)[1]
    own = KEYS.kept(None, binding)
    if given is not None or own is None:
        raise UsageError(
            f"the policy has a key for this output already: {secret}",
            remedy=f"bring its file to {KEYS.own(binding)}, or take `output` out of the service to begin with another",
        )
    return own
