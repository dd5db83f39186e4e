"""spec/evidence.md, "Report data"."""

from __future__ import annotations

import hashlib

from scripts.vectors._form import Case, b64u, bind, digest, hpke_text, key_text, raw_digest, raw_key, render, seed

__all__ = ["document"]

PURPOSES = ("casemate/release/v1", "casemate/ra-tls/v1", "casemate/custodian/v1")


def document() -> str:
    cases = [_case(purpose, name) for purpose in PURPOSES for name in ("one", "two")]
    bound = [(b"ab", b"c"), (b"a", b"bc"), (b"abc",), (), (b"",), (b"", b""), (b"\x00" * 300,)]
    return render(
        "report_data = SHA-512 of length-prefixed parts; `bind` are lists of parts (hex) and what they are bound to",
        bind=[{"parts": [part.hex() for part in parts], "bound": bind(*parts).hex()} for parts in bound],
        cases=cases,
    )


def _case(purpose: str, name: str) -> Case:
    parts = {
        "custodian": digest(f"custodian {name}"),
        "nonce": b64u(seed(f"nonce {name}")),
        "signing_key": key_text(f"signing {name}"),
        "hpke_key": hpke_text(f"hpke {name}"),
        "manifest": digest(f"manifest {name}"),
    }
    data = bind(
        purpose.encode(),
        raw_digest(parts["custodian"]),
        seed(f"nonce {name}"),
        raw_key(parts["signing_key"]),
        raw_key(parts["hpke_key"]),
        raw_digest(parts["manifest"]),
    )
    return {"purpose": purpose, **parts, "report_data": hashlib.sha512(data).hexdigest()}
