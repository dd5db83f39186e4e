"""Genesis records of custodians: whose hash is whose identity, and what is no record."""

from __future__ import annotations

from scripts.vectors._form import Case, b64u, canonical, digest, hpke_text, key_text, render, seed, sha256

__all__ = ["RECORD", "document", "identity"]

RECORD: dict[str, object] = {
    "casemate_custodian": 1,
    "name": "main",
    "board": {
        "principals": {name: {"key": key_text(name)} for name in ("alice", "bob")},
        "rule": {"at_least": 2, "of": ["alice", {"any": ["alice", "bob"]}]},
    },
    "identity_key": key_text("identity"),
    "random": b64u(seed("random")),
}


def identity(record: dict[str, object]) -> str:
    return f"sha256:{sha256(canonical(record)).hex()}"


def document() -> str:
    good = {
        "a custodian": RECORD,
        "a custodian of a simulated platform": {**RECORD, "simulation_root": digest("root")},
        "a custodian of simulated containers": {**RECORD, "container_simulation_root": digest("containers")},
        "the longest name": {**RECORD, "name": "\u00e9" * 128},
    }
    return render(
        "records and the identities that follow; a shield looks at no more of a board than that it is there",
        good=[
            {"name": name, "record": canonical(record).decode(), "identity": identity(record),
             "identity_key": record["identity_key"]}
            for name, record in good.items()
        ],
        hostile=[*_fields(), *_spellings()],
        boards=_boards(),
    )  # fmt: skip


def _refused(name: str, record: dict[str, object] | str) -> Case:
    return {"name": name, "record": record if isinstance(record, str) else canonical(record).decode()}


def _fields() -> list[Case]:
    changed: dict[str, dict[str, object]] = {
        "another format": {"casemate_custodian": 2},
        "a format that is true": {"casemate_custodian": True},
        "a format that is text": {"casemate_custodian": "1"},
        "no name": {"name": ""},
        "a name that is too long": {"name": "\u00e9" * 129},
        "a name that is a number": {"name": 1},
        "an unknown field": {"more": 1},
        "a key of another kind": {"identity_key": hpke_text("identity")},
        "a key with stray bits": {"identity_key": "ed25519:" + "A" * 42 + "B"},
        "a padded key": {"identity_key": key_text("identity") + "="},
        "a short key": {"identity_key": key_text("identity")[:-1]},
        "a root in capitals": {"simulation_root": digest("root").upper()},
        "a root of another hash": {"simulation_root": "sha384:" + "0" * 96},
        "a root for containers of another hash": {"container_simulation_root": "sha384:" + "0" * 96},
        "a short random": {"random": b64u(bytes(31))},
        "a long random": {"random": b64u(bytes(33))},
        "a random with stray bits": {"random": "A" * 42 + "B"},
        "a board that is a list": {"board": []},
        "a board without a rule": {"board": {"principals": {"alice": {"key": key_text("alice")}}}},
        "a board of nobody": {"board": {**_board(), "principals": {}}},
        "a board with an empty rule": {"board": {**_board(), "rule": {}}},
        "a board with more": {"board": {**_board(), "more": 1}},
    }
    missing = [
        _refused(f"without {field}", {name: value for name, value in RECORD.items() if name != field})
        for field in RECORD
    ]
    return [_refused(name, {**RECORD, **change}) for name, change in changed.items()] + missing


def _board() -> dict[str, object]:
    board = RECORD["board"]
    assert isinstance(board, dict)
    return board


def _spellings() -> list[Case]:
    text = canonical(RECORD).decode()
    spelled = {
        "a space in front": " " + text,
        "a space behind": text + " ",
        "a line feed behind": text + "\n",
        "a byte order mark": "\ufeff" + text,
        "something behind": text + "{}",
        "cut short": text[:-1],
        "names in another order": text.replace('"name":"main",', "").replace('{"board"', '{"name":"main","board"', 1),
        "an escaped letter": text.replace('"main"', '"\\u006dain"'),
        "a name twice": text.replace('"name":', '"name":"other","name":'),
        "a key twice": text.replace('"identity_key":', f'"identity_key":"{key_text("alice")}","identity_key":'),
        "a principal twice": text.replace('"alice":{', f'"alice":{{"key":"{key_text("bob")}"}},"alice":{{'),
        "null for an absent root": text[:-1] + ',"simulation_root":null}',
        "a format with a fraction": text.replace('_custodian":1', '_custodian":1.0'),
        "a format with an exponent": text.replace('_custodian":1', '_custodian":1e0'),
        "half of a surrogate pair": text.replace('"main"', '"\\ud800"'),
        "a raw control character": text.replace('"main"', '"ma\x01in"'),
        "a list": f"[{text}]",
        "text": '"genesis"',
        "nothing": "",
    }
    return [_refused(name, record) for name, record in spelled.items()]


def _boards() -> list[Case]:
    """What is no rule. The record's hash is pinned, so a shield need not know; whoever pins it must."""
    rules: dict[str, object] = {
        "a rule of another kind": {"none": ["alice"]},
        "two rules in one": {"any": ["alice"], "all": ["bob"]},
        "nobody": {"any": []},
        "too many": {"any": [f"p{number}" for number in range(65)]},
        "more than there are": {"at_least": 3, "of": ["alice", "bob"]},
        "none of them": {"at_least": 0, "of": ["alice", "bob"]},
        "a number that is true": {"at_least": True, "of": ["alice", "bob"]},
        "a name in capitals": {"any": ["Alice"]},
        "a name that is a number": {"any": [1]},
        "a name alone": "alice",
    }
    boards: dict[str, object] = {name: {**_board(), "rule": rule} for name, rule in rules.items()}
    boards["a principal without a key"] = {**_board(), "principals": {"alice": {}}}
    boards["a principal with a key that is none"] = {**_board(), "principals": {"alice": {"key": "alice"}}}
    return [_refused(name, {**RECORD, "board": board}) for name, board in boards.items()]
