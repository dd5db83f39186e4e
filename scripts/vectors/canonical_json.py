"""Strict JSON and its canonical form (RFC 8785; spec/protocol.md, "Words and encodings")."""

from __future__ import annotations

from scripts.vectors._form import Case, b64u, render

__all__ = ["document"]

SAFE = 2**53 - 1


def document() -> str:
    return render(
        "`canonical`: a spelling and the canonical one. `refused`: with the check that refuses; `shield` says where a"
        " shield knows from the types of its fields only, having no rule of its own for JSON as such",
        canonical=[{"text": text, "canonical": form, **more} for text, form, more in _canonical()],
        refused=[*_numbers(), *_strings(), *_structure(), *_bytes()],
    )


def _canonical() -> list[tuple[str, str, Case]]:
    plain: dict[str, str] = {
        "null": "null",
        " [ true , false ] ": "[true,false]",
        '{"b":1,"a":{"d":[],"c":{}}}': '{"a":{"c":{},"d":[]},"b":1}',
        '{"aa":1,"a":2,"A":3,"":4,"_":5,"1":6}': '{"":4,"1":6,"A":3,"_":5,"a":2,"aa":1}',
        f"[{SAFE},-{SAFE},0]": f"[{SAFE},-{SAFE},0]",
        '"\\u0041\\/\\u00e9"': '"A/\u00e9"',
        '"\\b\\t\\n\\f\\r\\"\\\\"': '"\\b\\t\\n\\f\\r\\"\\\\"',
        '"\\u0008\\u0009\\u000A\\u000c\\u000D"': '"\\b\\t\\n\\f\\r"',
        '"\\u0000\\u000b\\u001F\\u007f"': '"\\u0000\\u000b\\u001f\x7f"',
        '"\\u2028\\u2029\\u202e\\ufeff\\uffff"': '"\u2028\u2029\u202e\ufeff\uffff"',
        '"\\ud83d\\udd11"': '"\U0001f511"',
        '"e\\u0301 \\u00e9"': '"e\u0301 \u00e9"',
        '"<script>&\'"': '"<script>&\'"',
    }
    # By UTF-16, the first half of a pair comes before U+E000; by code points it is the other way. No record of ours has
    # such names, and a shield refuses them all.
    by_utf16 = ('{"\\ue000":1,"\\ud800\\udc00":2}', '{"\U00010000":2,"\ue000":1}', Case(utf16=True))
    return [*((text, form, Case()) for text, form in plain.items()), by_utf16]


def _case(name: str, text: str, step: str = "json.syntax", **more: object) -> Case:
    return {"name": name, "text": text, "step": step, **more}


def _numbers() -> list[Case]:
    by_types = {
        "a fraction": "1.5",
        "a negative zero with a fraction": "-0.0",
        "an integer too large": str(SAFE + 1),
        "an integer too small": str(-SAFE - 1),
        "the largest of 64 bits": str(2**64 - 1),
    }
    by_spelling = {
        "an exponent": "1e3",
        "an exponent in capitals": "1E3",
        "a leading zero": "01",
        "a sign": "+1",
        "a point alone": "1.",
        "no digit before the point": ".5",
        "hexadecimal": "0x10",
        "an underscore": "1_000",
        "digits of another script": "\u0661",
        "five thousand digits": "1" * 5000,
        "more than a floating-point number": "1e999",
        "not a number": "NaN",
        "infinity": "Infinity",
        "negative infinity": "-Infinity",
    }
    return [
        *(_case(name, text, shield="types") for name, text in by_types.items()),
        *(_case(name, text) for name, text in by_spelling.items()),
    ]


def _strings() -> list[Case]:
    shapes = {
        "half of a surrogate pair": '"\\ud800"',
        "the other half": '"\\udc00"',
        "both halves the wrong way": '"\\udc00\\ud800"',
        "half of a pair and a letter": '"\\ud800x"',
        "half of a pair in a name": '{"\\uD800":1}',
        "an escape that is none": '"\\x41"',
        "an escape that is cut short": '"\\u00"',
        "an escape with a sign": '"\\u+041"',
        "a raw line feed": '"a\nb"',
        "a raw tab": '"a\tb"',
        "a raw NUL": '"a\x00b"',
        "single quotes": "'a'",
        "no end": '"abc',
        "an escape at the end": '"abc\\',
    }
    return [_case(name, text) for name, text in shapes.items()]


def _structure() -> list[Case]:
    shapes = {
        "nothing": "",
        "white space": " ",
        "two values": "1 2",
        "something behind": "{}x",
        "a comma at the end of a list": "[1,]",
        "a comma at the end of an object": '{"a":1,}',
        "a comment": "[1]//",
        "a list without an end": "[1",
        "an end without a list": "1]",
        "a name without quotes": "{a:1}",
        "a name that is a number": "{1:1}",
        "a name twice": '{"a":1,"a":1}',
        "a name twice, once escaped": '{"a":1,"\\u0061":2}',
        "a name twice, inside": '[{"b":{"a":1,"a":2}}]',
        "capitals": "TRUE",
        "a byte order mark": "\ufeff{}",
        "a space of another kind": "[1,\u00a02]",
        "a form feed": "[1,\f2]",
    }
    deep = {"lists 33 deep": "[" * 33 + "]" * 33, "objects 33 deep": '{"a":' * 33 + "1" + "}" * 33}
    return [
        *(_case(name, text) for name, text in shapes.items()),
        *(_case(name, text, "json.depth", shield="types") for name, text in deep.items()),
    ]


def _bytes() -> list[Case]:
    shapes = {
        "a byte that begins nothing": b'"\xff"',
        "a character cut short": b'"\xc3"',
        "a slash in two bytes": b'"\xc0\xaf"',
        "a surrogate in three bytes": b'"\xed\xa0\x80"',
        "beyond the last character": b'"\xf4\x90\x80\x80"',
        "UTF-16": '{"a":1}'.encode("utf-16-le"),
        "UTF-16 with its mark": '{"a":1}'.encode("utf-16"),
    }
    return [{"name": name, "bytes": b64u(data), "step": "json.syntax"} for name, data in shapes.items()]
