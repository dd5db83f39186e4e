"""The policy that `casemate policy init` writes: small, commented, and right as it stands."""

from __future__ import annotations

from typing import Final

from casemate.policy.rules import AnyOfRules, members
from casemate.wire.policies import PolicyGenesis
from casemate.wire.rules import AllRule, AnyRule

__all__ = ["starter"]

_PLACEHOLDER_MANIFEST: Final = "sha256:" + "0" * 64
_PLACEHOLDER_MEASUREMENT: Final = "sha384:" + "0" * 96
# No manifest and no runtime has these digests: until they are replaced, nothing is admitted.

_TEXT: Final = """\
# Who may run what, and which secrets it gets. `casemate policy check FILE` explains what is wrong with it.
casemate: 1
policy: {policy}
genesis: {genesis}
# From the second version on: the hash of the version that this one replaces (casemate policy show prints it).
# predecessor: sha256:…

# Who decides. A principal is a name for a key; `casemate identity show` prints yours.
principals:
{principals}
# {{any: […]}}, {{all: […]}} or {{at_least: 2, of: […]}}; rules nest.
access:
  read: {read}
  update: {update}

services:
  {service}:
    # What runs: the digest of its launch manifest (casemate manifest build prints it).{replace_manifest}
    workload: {{manifest: "{manifest}"}}
    # What starts it: the measurement of the shield on the platform.{replace_measurement}
    runtime: {{measurement: "{measurement}"}}
    platforms: [{platform}]{warning}
    # How long it may run without asking again.
    lease: "300s"
    # Values for the holes of the manifest that are filled `from: policy`:
    # holes: {{port: "8080"}}
    # environment: {{DB_PASSWORD: "{{{{ secret.password }}}}"}}
    # Files below /run, in memory only, at paths that the manifest lists under `files`:
    # files:
    #   /run/secrets/password: {{content: "{{{{ secret.password }}}}", mode: "0400"}}
    # Sealed volumes, at the paths that the manifest lists under `volumes`:
    # volumes:
    #   /data: {{volume: records, mode: write}}

# Made by the custodian when this version is accepted; they stay the same until `rotate` grows.
# secrets:
#   password: {{kind: random, bytes: 24, encoding: base64url}}

# Their keys are made by the custodian, once. `accept_anchor` says that an anchor which root on the custodian's host can
# roll back is good enough for a volume whose every fsync is anchored (freshness: strict).
# volumes:
#   records: {{freshness: strict, root: hash, accept_anchor: [insecure_file]}}
"""
_WARNING: Final = """
    # The simulated platform protects nothing: it is for development and tests."""
_REPLACE: Final = "\n    # These zeros admit nothing: replace them."


def starter(
    genesis: PolicyGenesis,
    *,
    service: str = "app",
    manifest: str | None = None,
    measurement: str | None = None,
) -> str:
    """YAML for the first version of a policy; `casemate.policy.source.check` finds nothing wrong with it.

    `manifest` (`sha256:…`) and `measurement` (`sha384:…`) are what the service runs; absent, zeros stand there, which
    admit nothing.
    """
    principals = [f'  {_name(key)}: {{key: "{entry.key}"}}\n' for key, entry in sorted(genesis.principals.items())]
    return _TEXT.format(
        policy=genesis.policy,
        genesis=genesis.identity(),
        principals="".join(principals),
        read=_rule(genesis.access.read),
        update=_rule(genesis.access.update),
        service=_name(service),
        manifest=manifest or _PLACEHOLDER_MANIFEST,
        measurement=measurement or _PLACEHOLDER_MEASUREMENT,
        platform="simulated" if genesis.insecure_simulation else "sev-snp",
        warning=_WARNING if genesis.insecure_simulation else "",
        replace_manifest="" if manifest else _REPLACE,
        replace_measurement="" if measurement else _REPLACE,
    )


def _name(name: str) -> str:
    """Names like `no`, `null` and `1` are allowed; YAML readers take them for something else."""
    return f'"{name}"'


def _rule(rule: AnyOfRules) -> str:
    listed = ", ".join(_name(member) if isinstance(member, str) else _rule(member) for member in members(rule))
    if isinstance(rule, AnyRule):
        return f"{{any: [{listed}]}}"
    if isinstance(rule, AllRule):
        return f"{{all: [{listed}]}}"
    return f"{{at_least: {rule.at_least}, of: [{listed}]}}"
