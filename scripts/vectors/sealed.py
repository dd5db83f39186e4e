"""A configuration that was sealed to a fixed key, and what only looks like one."""

from __future__ import annotations

from scripts.vectors import release_info
from scripts.vectors._form import Case, b64u, canonical, hpke_key, hpke_text, render, seed
from scripts.vectors._hpke import CHACHA20_POLY1305, seal

__all__ = ["document"]

CONFIGURATION = {
    "casemate_configuration": 1,
    "holes": {"PASSWORD": "correct horse", "port": "6390"},
    "files": [{"path": "/run/tls/key.pem", "content": b64u(b"\x00\xffkey\n"), "mode": "0400"}],
    "user": {"uid": 1000, "gid": 1000},
}
PARTS = release_info.parts("one")
PLAINTEXT = canonical(CONFIGURATION)
SEALED = seal(
    PLAINTEXT,
    hpke_key("recipient").public_key(),
    info=release_info.info(PARTS),
    ephemeral=hpke_key("ephemeral"),
)


def document() -> str:
    return render(
        "HPKE base mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM, no aad; enc || ciphertext",
        private_key=b64u(seed("recipient")),
        public_key=hpke_text("recipient"),
        configuration=CONFIGURATION,
        good={**PARTS, "sealed": b64u(SEALED)},
        hostile=[*_other_parts(), *_other_bytes(), *_other_ways()],
    )


def _other_parts() -> list[Case]:
    """The genuine bytes, opened for something else than what they were sealed for."""
    other = release_info.parts("two")
    return [
        {"name": f"sealed for another {part.replace('_', ' ')}", **PARTS, part: other[part], "sealed": b64u(SEALED)}
        for part in PARTS
    ]


def _other_bytes() -> list[Case]:
    def flipped(at: int) -> bytes:
        changed = bytearray(SEALED)
        changed[at] ^= 1
        return bytes(changed)

    shapes = {
        "a bit of the encapsulated key": flipped(0),
        "a bit of the ciphertext": flipped(40),
        "a bit of the tag": flipped(-1),
        "without its last byte": SEALED[:-1],
        "a byte behind its end": SEALED + b"\x00",
        "the encapsulated key alone": SEALED[:32],
        "shorter than an encapsulated key": SEALED[:31],
        "nothing": b"",
        "an encapsulated key of small order": bytes(32) + SEALED[32:],
    }
    return [{"name": name, **PARTS, "sealed": b64u(data)} for name, data in shapes.items()]


def _other_ways() -> list[Case]:
    info, ephemeral = release_info.info(PARTS), hpke_key("ephemeral")
    recipient = hpke_key("recipient").public_key()
    shapes = {
        "sealed to another key": seal(PLAINTEXT, hpke_key("other").public_key(), info=info, ephemeral=ephemeral),
        "with additional data": seal(PLAINTEXT, recipient, info=info, ephemeral=ephemeral, aad=b"x"),
        "with ChaCha20-Poly1305": seal(PLAINTEXT, recipient, info=info, ephemeral=ephemeral, aead=CHACHA20_POLY1305),
        "without info": seal(PLAINTEXT, recipient, info=b"", ephemeral=ephemeral),
    }
    return [{"name": name, **PARTS, "sealed": b64u(data)} for name, data in shapes.items()]
