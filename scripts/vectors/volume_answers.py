"""What a custodian tells of a volume's anchor (spec/protocol.md, "Volumes")."""

from __future__ import annotations

from scripts.vectors._form import Case, b64u, canonical, digest, render

__all__ = ["document"]

NOTHING: dict[str, object] = {
    "volume": b64u(bytes(16)),
    "state": "uninitialised",
    "generation": "0",
    "root": "sha256:" + "0" * 64,
    "fence": "0",
}
RECORD: dict[str, object] = {
    "volume": b64u(bytes(range(16))),
    "state": "active",
    "generation": "7",
    "root": digest("root"),
    "fence": "4294967297",
}
ANSWER: dict[str, object] = {"outcome": "set", "record": RECORD}
LARGEST = str(2**64 - 1)


def document() -> str:
    good: dict[str, object] = {
        **{outcome: {**ANSWER, "outcome": outcome} for outcome in ("current", "set", "conflict", "released")},
        "nothing was written yet": {"outcome": "current", "record": NOTHING},
        "a retired volume": {"outcome": "current", "record": {**RECORD, "state": "retired"}},
        "a reader": {**ANSWER, "oldest_reader": "0"},
        "the largest numbers": {
            "outcome": "set",
            "record": {**RECORD, "generation": LARGEST, "fence": LARGEST},
            "oldest_reader": LARGEST,
        },
    }
    return render(
        "answers about the anchor of a volume; what is hostile has no meaning",
        good=[{"name": name, "answer": canonical(value).decode()} for name, value in good.items()],
        hostile=[*_numbers(), *_fields(), *_spellings()],
    )


def _numbers() -> list[Case]:
    spellings: dict[str, object] = {
        "that is a number": 7,
        "that is empty": "",
        "with a leading zero": "07",
        "with a sign": "+7",
        "below zero": "-1",
        "with a fraction": "7.0",
        "with an exponent": "7e0",
        "with a space": " 7",
        "in other digits": "\u0667",
        "in hexadecimal": "0x7",
        "beyond 64 bits": str(2**64),
        "of a thousand digits": "1" * 1000,
    }
    answers = {
        **{f"a fence {what}": {**ANSWER, "record": {**RECORD, "fence": value}} for what, value in spellings.items()},
        **{f"a generation {what}": {**ANSWER, "record": {**RECORD, "generation": v}} for what, v in spellings.items()},
        **{f"a reader {what}": {**ANSWER, "oldest_reader": value} for what, value in spellings.items()},
    }
    return [{"name": name, "answer": canonical(value).decode()} for name, value in answers.items()]


def _fields() -> list[Case]:
    records: dict[str, dict[str, object]] = {
        "an unknown field of a record": {**RECORD, "more": 1},
        "another state": {**RECORD, "state": "open"},
        "a state in capitals": {**RECORD, "state": "Active"},
        "a short identity": {**RECORD, "volume": b64u(bytes(15))},
        "a long identity": {**RECORD, "volume": b64u(bytes(17))},
        "an identity that is padded": {**RECORD, "volume": b64u(bytes(16)) + "=="},
        "an identity with stray bits": {**RECORD, "volume": "A" * 21 + "B"},
        "a root without its kind": {**RECORD, "root": "0" * 64},
        "a root in capitals": {**RECORD, "root": "sha256:" + "A" * 64},
        "a root of another kind": {**RECORD, "root": "sha384:" + "0" * 96},
        **{f"nothing with a {field}": {**NOTHING, field: RECORD[field]} for field in ("volume", "root", "fence")},
        "nothing with a generation": {**NOTHING, "generation": "1"},
        **{f"a record without {left}": {n: RECORD[n] for n in RECORD if n != left} for left in RECORD},
    }
    answers: dict[str, object] = {
        **{name: {**ANSWER, "record": record} for name, record in records.items()},
        "an unknown field": {**ANSWER, "more": 1},
        "another outcome": {**ANSWER, "outcome": "done"},
        "without an outcome": {"record": RECORD},
        "without a record": {"outcome": "set"},
        "a list": [ANSWER],
    }
    return [{"name": name, "answer": canonical(value).decode()} for name, value in answers.items()]


def _spellings() -> list[Case]:
    text = canonical(ANSWER).decode()
    spelled = {
        "an outcome twice": text.replace('"outcome":', '"outcome":"conflict","outcome":'),
        "a fence twice": text.replace('"fence":', '"fence":"1","fence":'),
        "something behind": text + "0",
        "cut short": text[:-1],
        "a byte order mark": "\ufeff" + text,
        "nothing": "",
    }
    return [{"name": name, "answer": answer} for name, answer in spelled.items()]
