"""What `protect` and `from-binary` have in common: from an image to a protected one, written, and its policy."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from casemate.cli import _genesis
from casemate.cli._connecting import connect
from casemate.cli._custodians import chosen
from casemate.cli._home import home, shield
from casemate.cli._output import emit, note
from casemate.cli._progress import bar
from casemate.cli.image import _options
from casemate.cli.image._keys import KEYS
from casemate.cli.image._part import Part, write
from casemate.cli.manifest import _options as _words
from casemate.client import pins
from casemate.image import transport
from casemate.image.launch import Wanted
from casemate.image.original import Original
from casemate.image.protect import Custodian, Protected, protect
from casemate.image.tool import Tool
from casemate.manifest import library
from casemate.manifest.build import Built
from casemate.simulator import launch
from casemate.wire import canonical
from casemate.wire.fields import b64u_decode
from casemate.wire.manifest import PolicyBinding
from casemate.wire.policies import PolicyGenesis

__all__ = ["Making", "making"]


@dataclass(frozen=True)
class Making:
    """For whom an image is protected, and where it goes."""

    binding: PolicyBinding
    genesis: PolicyGenesis
    pin: pins.Pin
    destination: str
    policy_out: Path | None
    sealing_key: str | None
    addresses: list[str]
    containers: bool
    as_json: bool

    def wanted(
        self,
        *,
        encrypt: bool,
        writable: str,
        read_only: bool,
        volumes: Iterable[str],
        hole: list[str] | None,
        env: list[str] | None,
        keep_env: list[str] | None,
        file: list[str] | None,
        ra_tls: str | None,
        capability: list[str] | None,
        user: str | None,
    ) -> Wanted:
        """What the options say. Errors: UsageError."""
        room = _options.size(writable)
        return Wanted(
            policy=self.binding,
            custodian=self.pin.identity,
            protection="encrypted" if encrypt else "authenticated",
            writable=None if read_only else room,
            room=room,
            volumes=list(volumes),
            holes=_words.holes(hole or []),
            environment=_words.environment(env or []),
            keep=keep_env or [],
            hide=self.policy_out is not None,
            files=file or [],
            ra_tls=_words.ra_tls(ra_tls),
            capabilities=_options.capabilities(capability),
            user=_words.user(user),
        )

    def make(
        self, original: Original, wanted: Wanted, volumes: dict[str, str], key_file: Path | None, scratch: Path
    ) -> dict[str, Any]:
        """Protects, writes, keeps the manifest; what there is to say, which `say` says."""
        encrypts = wanted.protection == "encrypted"
        key, kept = KEYS.made_or_kept(key_file, self.binding, quiet=self.as_json) if encrypts else (None, None)
        protected = self._protect(original, wanted, key, scratch)
        with (
            bar("writing", quiet=self.as_json) as listener,
            transport.open_target(self.destination, scratch=scratch) as target,
        ):
            descriptor, sent = protected.write(target, scratch, listener)
        library.save(home() / "manifests", Built(protected.launch.parsed, {}))
        part = self._part(protected, volumes, key)
        sealed = self._write(part)
        for path in [] if self.as_json else protected.launch.hidden:
            note(f"{path} is a volume of the image: it begins empty, what the image has there is not shown.")
        if protected.launch.unchecked is not None and not self.as_json:
            note(f"The health check is left out: the image has no program {protected.launch.unchecked[:200]}.")
        return {
            "image": self.destination,
            "digest": descriptor.digest,
            "manifest": protected.launch.parsed.digest,
            "layers": len(protected.sealed),
            "bytes": sum(blob.size for blob in protected.layers),
            "sent": sent,
            "key": None if kept is None else str(kept),
            "secrets": sorted(protected.launch.secrets),
            "policy": part.text() if self.policy_out is None else str(self.policy_out),
            "sealed": None if sealed is None else str(sealed),
        }

    def say(self, result: dict[str, Any]) -> None:
        """For people without what is not there; the policy's part at the end."""
        if self.as_json:
            emit(result, as_json=True)
            return
        written = self.policy_out is not None
        shown = {name: value for name, value in result.items() if value and (written or name != "policy")}
        lines = [f"{name}: {', '.join(value) if isinstance(value, list) else value}" for name, value in shown.items()]
        if not written:
            lines += ["", "in the policy file (--policy-out FILE writes it, with the image key):", result["policy"]]
        emit({}, as_json=False, text="\n".join(lines))
        if written:
            sealed = "" if result["sealed"] is None else f" --sealed {result['sealed']}"
            note(f"Next: casemate policy submit {self.policy_out}{sealed} (with --on-top, if it is not the first)")

    def _protect(self, original: Original, wanted: Wanted, key: str | None, scratch: Path) -> Protected:
        custodian = Custodian(canonical.encode(self.pin.genesis.to_object()), self.addresses)
        with bar("sealing", quiet=self.as_json) as listener:
            return protect(
                original,
                wanted,
                key=key,
                custodian=custodian,
                shield=shield(),
                tool=Tool.installed(),
                scratch=scratch,
                progress=listener,
            )

    def _part(self, protected: Protected, volumes: dict[str, str], key: str | None) -> Part:
        return Part(
            service=self.binding.service,
            manifest=protected.launch.parsed.digest,
            runtime=launch.measure(shield(), containers=self.containers),
            volumes=volumes,
            secrets=protected.launch.secrets,
            key=None if key is None else b64u_decode(key),
            containers=self.containers,
        )

    def _write(self, part: Part) -> Path | None:
        if self.policy_out is None or self.sealing_key is None:
            return None
        return write(part, self.policy_out, self.genesis, custodian=self.pin.identity, sealing_key=self.sealing_key)


def making(
    name: str,
    service: str,
    *,
    custodian: str | None,
    who: str | None,
    destination: str,
    policy_out: Path | None,
    addresses: list[str],
    containers: bool,
    as_json: bool,
) -> Making:
    """Whoever wants the policy written is told at once if the custodian does not answer."""
    genesis = _genesis.find(home() / "policies", name)
    pin = chosen(custodian, identity=genesis.custodian)
    sealing_key = None
    if policy_out is not None:
        with connect(pin.name, who) as client:
            sealing_key = client.instance().sealing_key
    binding = PolicyBinding(name=name, genesis=genesis.identity(), service=service)
    return Making(binding, genesis, pin, destination, policy_out, sealing_key, addresses, containers, as_json)
