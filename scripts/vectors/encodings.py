"""Text forms of digests, keys, times and bytes (spec/protocol.md, "Words and encodings")."""

from __future__ import annotations

from datetime import UTC, datetime

from scripts.vectors._form import b64u, digest, hpke_text, key_text, raw_digest, raw_key, render

__all__ = ["document"]

TIMES = (
    "1970-01-01T00:00:00Z",
    "1999-12-31T23:59:59Z",
    "2000-02-29T12:34:56Z",
    "2026-11-23T08:15:00Z",
    "2100-02-28T23:59:59Z",
    "9999-12-31T23:59:59Z",
)
BYTES = (b"", b"\x00", b"\xff\xfe", b"\xfb\xff\xbf", b"four", bytes(range(256)))


def document() -> str:
    return render(
        "each has one spelling; what is refused is some other one, or of another length",
        digests={
            "good": [{"text": text, "bytes": raw_digest(text).hex()} for text in (digest("one"), "sha256:" + "0" * 64)],
            "refused": _digests(),
        },
        keys={
            "good": [{"text": text, "bytes": raw_key(text).hex()} for text in (key_text("one"), hpke_text("one"))],
            "refused": _keys(),
        },
        times={"good": [{"text": text, "seconds": _seconds(text)} for text in TIMES], "refused": _times()},
        base64url={
            "good": [{"text": b64u(data), "bytes": data.hex()} for data in BYTES],
            "refused": [
                "A",
                "AB",
                "AAB",
                "AAAAB",
                "AA==",
                "AAA=",
                "A===",
                "+/8A",
                "AA\n",
                " AA",
                "A A",
                "\u00e9A",
                "==",
            ],
        },
    )


def _digests() -> list[str]:
    good = digest("one")
    return [
        "", "sha256:", good[:-1], good + "0", good.upper(), good.replace("sha256", "SHA256"), good[7:],
        good.replace(":", ""), good[:-1] + "g", good[:-1] + "\u0661", good.replace("sha256", "sha384"),
        good.replace("sha256", "sha512"), " " + good, good + "\n", good[:20] + " " + good[21:], "sha256:" + "0x" * 32,
    ]  # fmt: skip


def _keys() -> list[str]:
    good = key_text("one")
    return [
        "", "ed25519:", good[:-1], good + "A", good + "=", good[8:], good.replace(":", ""), good.upper(),
        good.replace("ed25519", "ed448"), good.replace("ed25519", "p256"), "ed25519:" + "A" * 42 + "B",
        "ed25519:" + "A" * 41 + "+A", "ed25519:" + "A" * 41 + " A", good + "\n", "ed25519::" + good[8:],
    ]  # fmt: skip


def _times() -> list[str]:
    return [
        "", "2026-11-23", "2026-11-23T08:15:00", "2026-11-23 08:15:00Z", "2026-11-23t08:15:00Z", "2026-11-23T08:15:00z",
        "2026-11-23T08:15:00+00:00", "2026-11-23T08:15:00.0Z", "2026-11-23T08:15Z", "2026-1-23T08:15:00Z",
        "2026-02-29T00:00:00Z", "2100-02-29T00:00:00Z", "2026-00-01T00:00:00Z", "2026-13-01T00:00:00Z",
        "2026-11-00T00:00:00Z", "2026-11-31T00:00:00Z", "2026-11-23T24:00:00Z", "2026-11-23T08:60:00Z",
        "2026-11-23T08:15:60Z", "2026-11-23T08:15:61Z", "1969-12-31T23:59:59Z", "0000-01-01T00:00:00Z",
        "12026-11-23T08:15:00Z", "-026-11-23T08:15:00Z", "+026-11-23T08:15:00Z", " 2026-11-23T08:15:00Z",
        "2026-11-23T08:15:00Z\n", "2026-11-23T08:15:0 Z", "\u0662026-11-23T08:15:00Z",
    ]  # fmt: skip


def _seconds(text: str) -> int:
    return int(datetime.fromisoformat(text.removesuffix("Z")).replace(tzinfo=UTC).timestamp())
