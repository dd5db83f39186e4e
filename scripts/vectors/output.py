"""Lines of sealed output, and lines that are none (spec/output-format.md)."""

from __future__ import annotations

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from scripts.vectors._form import Case, b64u, bind, canonical, digest, raw_digest, render, seed

__all__ = ["document"]

KEY = seed("output: key")
GENESIS = digest("output: genesis")
SERVICE = "api"
STREAM = seed("output: stream")[:16]
ABOUT = canonical({"decision": "0123456789abcdef" * 2 + "01234567", "manifest": digest("output: manifest")})
START, OUTPUT, ERROR, END = range(4)
LARGEST = 2944


def document() -> str:
    written = [
        (START, ABOUT),
        (OUTPUT, b"good day\n"),
        (ERROR, "na\u00efve \u2013 \x00\xff".encode("latin-1", "replace")),
        (OUTPUT, b"x" * 61),
        (OUTPUT, b"x" * 62),
        (OUTPUT, bytes(LARGEST - 3)),
        (END, canonical({"status": 143})),
    ]
    return render(
        "streams of sealed output, and lines that no reader takes for one of the stream",
        good=[
            _stream("a start of a service", SERVICE, STREAM, written),
            _stream("another start", SERVICE, bytes(16), [(START, ABOUT), (END, canonical({"status": 0}))]),
            _stream("another service", "api-2", STREAM, written[:2]),
        ],
        hostile=[{"name": name, "line": line} for name, line in _hostile().items()],
        key=b64u(KEY),
        genesis=GENESIS,
        service=SERVICE,
        stream=b64u(STREAM),
        after_the_end=_line(len(written), _plain(OUTPUT, b"more"), SERVICE, STREAM),
    )


def _stream(name: str, service: str, stream: bytes, written: list[tuple[int, bytes]]) -> Case:
    lines = [
        {"kind": kind, "content": b64u(content), "line": _line(number, _plain(kind, content), service, stream)}
        for number, (kind, content) in enumerate(written)
    ]
    return {
        "name": name,
        "key": b64u(KEY),
        "genesis": GENESIS,
        "service": service,
        "stream": b64u(stream),
        "lines": lines,
    }


def _hostile() -> dict[str, str]:
    good = _plain(OUTPUT, b"hello")
    line = _line(1, good, SERVICE, STREAM)
    mark, stream, number, body = line.rsplit(":", 3)
    flipped = body[:-2] + ("A" if body[-2] != "A" else "B") + body[-1]
    return {
        "of another service": _line(1, good, "other", STREAM),
        "of another stream": ":".join((mark, b64u(bytes(15) + b"\1"), number, body)),
        "of another place": ":".join((mark, stream, "2", body)),
        "of another policy": _line(1, good, SERVICE, STREAM, genesis=digest("another genesis")),
        "under another key": _line(1, good, SERVICE, STREAM, key=seed("another key")),
        "for another purpose": _line(1, good, SERVICE, STREAM, purpose=b"casemate/output/line/v2"),
        "altered": ":".join((mark, stream, number, flipped)),
        "cut off": line[:-4],
        "without a tag": ":".join((mark, stream, number, b64u(good))),
        "empty": ":".join((mark, stream, number, b64u(b""))),
        "a number with a zero before it": ":".join((mark, stream, "01", body)),
        "a number beyond the largest": _line(2**53, good, SERVICE, STREAM),
        "a start that is not the first": _line(1, _plain(START, ABOUT), SERVICE, STREAM),
        "a first that is no start": _line(0, good, SERVICE, STREAM),
        "an unknown kind": _line(1, _plain(4, b"hello"), SERVICE, STREAM),
        "nothing written": _line(1, _plain(OUTPUT, b""), SERVICE, STREAM),
        "no plaintext": _line(1, b"", SERVICE, STREAM),
        "a length beyond the plaintext": _line(1, good[:1] + (62).to_bytes(2, "big") + good[3:], SERVICE, STREAM),
        "padding that is not zeros": _line(1, good[:-1] + b"\1", SERVICE, STREAM),
        "padding longer than it must be": _line(1, good + bytes(64), SERVICE, STREAM),
        "no padding": _line(1, good[:8], SERVICE, STREAM),
        "longer than a line may be": _line(1, _plain(OUTPUT, bytes(LARGEST - 2)), SERVICE, STREAM),
        "a start that says more": _line(0, _plain(START, ABOUT[:-1] + b',"more":1}'), SERVICE, STREAM),
        "a start with spaces": _line(0, _plain(START, ABOUT.replace(b":", b": ")), SERVICE, STREAM),
        "an end that is no status": _line(1, _plain(END, canonical({"status": 256})), SERVICE, STREAM),
    }


def _plain(kind: int, content: bytes) -> bytes:
    head = bytes([kind]) + len(content).to_bytes(2, "big")
    return head + content + bytes(-(len(head) + len(content)) % 64)


def _line(
    number: int,
    plain: bytes,
    service: str,
    stream: bytes,
    *,
    key: bytes = KEY,
    genesis: str = GENESIS,
    purpose: bytes = b"casemate/output/line/v1",
) -> str:
    info = bind(b"casemate/output/v1", raw_digest(genesis), service.encode())
    derived = HKDF(algorithm=SHA256(), length=32, salt=stream, info=info).derive(key)
    sealed = AESGCM(derived).encrypt(bytes(4) + number.to_bytes(8, "big"), plain, purpose)
    return f"casemate-output:v1:{b64u(stream)}:{number}:{b64u(sealed)}"
