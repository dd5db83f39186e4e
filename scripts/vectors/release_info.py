"""spec/protocol.md, "Attestation and release": the HPKE `info` of a configuration."""

from __future__ import annotations

from scripts.vectors._form import b64u, bind, digest, key_text, raw_digest, raw_key, render, seed

__all__ = ["document", "info", "parts"]


def document() -> str:
    return render(
        'info = bind("casemate/release/v1", custodian, nonce, manifest, policy genesis, policy version, signing key)',
        cases=[{**parts(name), "info": info(parts(name)).hex()} for name in ("one", "two")],
    )


def parts(name: str) -> dict[str, str]:
    return {
        "custodian": digest(f"custodian {name}"),
        "nonce": b64u(seed(f"nonce {name}")),
        "manifest": digest(f"manifest {name}"),
        "policy_genesis": digest(f"genesis {name}"),
        "policy_version": digest(f"version {name}"),
        "signing_key": key_text(f"signing {name}"),
    }


def info(values: dict[str, str]) -> bytes:
    return bind(
        b"casemate/release/v1",
        raw_digest(values["custodian"]),
        raw_key("nonce:" + values["nonce"]),
        raw_digest(values["manifest"]),
        raw_digest(values["policy_genesis"]),
        raw_digest(values["policy_version"]),
        raw_key(values["signing_key"]),
    )
