"""One certificate in PEM: the one grammar that both languages read (spec/evidence.md, "Wire form")."""

from __future__ import annotations

import base64

from scripts.vectors._form import Case, render

__all__ = ["document"]

# What is inside does not matter here: a text that ends with "==" and one that has several lines.
DER = bytes(range(100))
BEGIN, END = b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----"


def document() -> str:
    return render(
        "texts (hex) that begin as PEM, and the DER of the one certificate that each is; `hostile` ones are none",
        good=[{**_case(name, text), "der": DER.hex()} for name, text in _good().items()],
        hostile=[_case(name, text) for name, text in _hostile().items()],
    )


def _case(name: str, text: bytes) -> Case:
    return {"name": name, "text": text.hex()}


def _body(line: int = 64, end: bytes = b"\n") -> bytes:
    text = base64.b64encode(DER)
    return b"".join(text[at : at + line] + end for at in range(0, len(text), line))


def _good() -> dict[str, bytes]:
    right = BEGIN + b"\n" + _body() + END
    return {
        "with a newline behind it": right + b"\n",
        "without one": right,
        "with ends of lines of two characters": (right + b"\n").replace(b"\n", b"\r\n"),
        "in one line": BEGIN + b"\n" + _body(1000) + END + b"\n",
        "in short lines": BEGIN + b"\n" + _body(10) + END + b"\n",
        "with empty lines": BEGIN + b"\n\n" + _body(10) + b"\n" + END + b"\n",
        "without an end of the last line": BEGIN + b"\n" + _body(1000, b"") + END + b"\n",
        "with ends of lines of another kind inside": BEGIN + b"\n" + _body(64, b"\r") + END + b"\n",
    }


def _hostile() -> dict[str, bytes]:
    body = _body()
    right = BEGIN + b"\n" + body + END + b"\n"
    text = base64.b64encode(DER)
    return {
        "two certificates": right + right,
        "text behind it": right + b"x",
        "an empty line behind it": right + b"\n",
        "a blank behind it": right[:-1] + b" \n",
        "a zero behind it": right + b"\0",
        "bytes behind it that are no text": right + b"\xff",
        "another beginning behind it": right + BEGIN + b"\n",
        "another end behind it": right + END + b"\n",
        "a header": BEGIN + b"\nA: b\n\n" + body + END + b"\n",
        "no line of its own for the beginning": BEGIN + body + END + b"\n",
        "a blank behind the beginning": BEGIN + b" \n" + body + END + b"\n",
        "blanks between lines": BEGIN + b"\n" + body.replace(b"\n", b" \n") + END + b"\n",
        "blanks before lines": BEGIN + b"\n " + body + END + b"\n",
        "form feeds": BEGIN + b"\n" + body.replace(b"\n", b"\f") + END + b"\n",
        "padding left out": BEGIN + b"\n" + body.replace(b"=", b"") + END + b"\n",
        "padding too much": BEGIN + b"\n" + text + b"=\n" + END + b"\n",
        "padding inside": BEGIN + b"\n" + text + text + b"\n" + END + b"\n",
        "bits that nothing needs": BEGIN + b"\n" + text[:-3] + b"x==\n" + END + b"\n",
        "base64url": BEGIN + b"\n" + base64.urlsafe_b64encode(b"\xff" * 6) + b"\n" + END + b"\n",
        "the end of something else": BEGIN + b"\n" + body + b"-----END X509 CRL-----\n",
        "no end": BEGIN + b"\n" + body,
        "nothing inside": BEGIN + b"\n" + END + b"\n",
        "empty lines inside": BEGIN + b"\n\n\n" + END + b"\n",
    }
