"""Released configurations, after they were opened."""

from __future__ import annotations

from scripts.vectors._form import Case, b64u, canonical, render
from scripts.vectors.sealed import CONFIGURATION

__all__ = ["document"]

MINIMAL = {"casemate_configuration": 1, "holes": {}, "files": []}
FILE = {"path": "/run/key", "content": "aGk", "mode": "0400"}
MOST = 2**31 - 1
VOLUME = {
    "path": "/data",
    "volume": "records",
    "mode": "write",
    "freshness": "strict",
    "root": "hash",
    "key": b64u(bytes(range(32))),
}
EVERY = {**VOLUME, "freshness": "interval", "interval_ms": 1000, "mode": "read", "root": "tag"}


def document() -> str:
    good = {
        "everything": CONFIGURATION,
        "nothing": MINIMAL,
        "the largest user": {**MINIMAL, "user": {"uid": MOST, "gid": MOST}},
        "every permission": {**MINIMAL, "files": [{**FILE, "mode": "0777"}]},
        "an empty file": {**MINIMAL, "files": [{**FILE, "content": ""}]},
        "a volume": {**MINIMAL, "volumes": [VOLUME]},
        "volumes of every sort": {**MINIMAL, "volumes": [EVERY, {**VOLUME, "path": "/more", "freshness": "none"}]},
        "an image key": {**MINIMAL, "image_key": b64u(bytes(range(32)))},
        "an output key": {**MINIMAL, "output_key": b64u(bytes(range(32)))},
        "a value that does not show": {**MINIMAL, "holes": {"x": "\u202e\n\u0000\U0001f511"}},
    }
    return render(
        "opened configurations; what is hostile has no meaning",
        good=[{"name": name, "configuration": canonical(value).decode()} for name, value in good.items()],
        hostile=[*_fields(), *_spellings()],
    )


def _fields() -> list[Case]:
    changed: dict[str, dict[str, object]] = {
        "another format": {**MINIMAL, "casemate_configuration": 2},
        "a format that is true": {**MINIMAL, "casemate_configuration": True},
        "an unknown field": {**MINIMAL, "more": 1},
        "holes in a list": {**MINIMAL, "holes": []},
        "a hole that is a number": {**MINIMAL, "holes": {"x": 1}},
        "files in an object": {**MINIMAL, "files": {}},
        "a file with more": {**MINIMAL, "files": [{**FILE, "more": 1}]},
        "a file without content": {**MINIMAL, "files": [{"path": "/run/key", "mode": "0400"}]},
        "content that is padded": {**MINIMAL, "files": [{**FILE, "content": "aGk="}]},
        "content with stray bits": {**MINIMAL, "files": [{**FILE, "content": "aGl"}]},
        "content of the other alphabet": {**MINIMAL, "files": [{**FILE, "content": "+/8"}]},
        "a set-id bit": {**MINIMAL, "files": [{**FILE, "mode": "4755"}]},
        "a mode of three digits": {**MINIMAL, "files": [{**FILE, "mode": "400"}]},
        "a mode that is a number": {**MINIMAL, "files": [{**FILE, "mode": 400}]},
        "a mode with a sign": {**MINIMAL, "files": [{**FILE, "mode": "+400"}]},
        "a mode in other digits": {**MINIMAL, "files": [{**FILE, "mode": "0\u0664\u0660\u0660"}]},
        "a user without a group": {**MINIMAL, "user": {"uid": 1}},
        "a user that stands for the present one": {**MINIMAL, "user": {"uid": 2**32 - 1, "gid": 1}},
        "a user beyond the largest": {**MINIMAL, "user": {"uid": MOST + 1, "gid": 1}},
        "a group beyond the largest": {**MINIMAL, "user": {"uid": 1, "gid": MOST + 1}},
        "a negative user": {**MINIMAL, "user": {"uid": -1, "gid": 1}},
        "a user that is true": {**MINIMAL, "user": {"uid": True, "gid": 1}},
        "a user by name": {**MINIMAL, "user": {"uid": "root", "gid": "root"}},
    }
    changed |= {f"an image key that is {name}": {**MINIMAL, "image_key": value} for name, value in _keys().items()}
    changed |= {f"an output key that is {name}": {**MINIMAL, "output_key": value} for name, value in _keys().items()}
    changed |= {name: {**MINIMAL, "volumes": value} for name, value in _volumes().items()}
    missing = {f"without {field}": {name: MINIMAL[name] for name in MINIMAL if name != field} for field in MINIMAL}
    return [
        {"name": name, "configuration": canonical(value).decode()} for name, value in {**changed, **missing}.items()
    ]


def _keys() -> dict[str, object]:
    return {
        "short": b64u(bytes(31)),
        "long": b64u(bytes(33)),
        "padded": b64u(bytes(32)) + "=",
        "empty": "",
        "a number": 1,
    }


def _volumes() -> dict[str, object]:
    changed: dict[str, dict[str, object]] = {
        "a volume with more": {"more": 1},
        "a volume by another name": {"volume": "Records"},
        "a volume by no name": {"volume": ""},
        "a volume with a name too long": {"volume": "a" * 64},
        "a volume in another mode": {"mode": "append"},
        "a volume of another freshness": {"freshness": "often"},
        "a volume of another root": {"root": "sum"},
        "a volume with an interval that is text": {"freshness": "interval", "interval_ms": "1000"},
        "a volume with an interval of nothing": {"freshness": "interval", "interval_ms": 0},
        "a volume with an interval beyond the largest": {"freshness": "interval", "interval_ms": 2**53},
        "a volume with an interval and no use for it": {"interval_ms": 1000},
        "a volume without its interval": {"freshness": "interval"},
        "a volume with a short key": {"key": b64u(bytes(31))},
        "a volume with a long key": {"key": b64u(bytes(33))},
        "a volume with a key that is padded": {"key": b64u(bytes(32)) + "="},
    }
    missing = {f"a volume without {field}": [{n: VOLUME[n] for n in VOLUME if n != field}] for field in VOLUME}
    lists: dict[str, object] = {"no volumes in a list": [], "volumes in an object": {}, **missing}
    return {name: [{**VOLUME, **change}] for name, change in changed.items()} | lists


def _spellings() -> list[Case]:
    text = canonical(CONFIGURATION).decode()
    spelled = {
        "a hole twice": text.replace('"port":', '"port":"1","port":'),
        "files twice": text.replace('"files":', '"files":[],"files":'),
        "a mode twice": text.replace('"mode":', '"mode":"0777","mode":'),
        "a user twice": text.replace('"uid":', '"uid":0,"uid":'),
        "a user with a fraction": text.replace('"uid":1000', '"uid":1000.0'),
        "half of a surrogate pair": text.replace("correct horse", "\\udc00"),
        "something behind": text + "0",
        "cut short": text[:-1],
        "a byte order mark": "\ufeff" + text,
        "nothing": "",
    }
    return [{"name": name, "configuration": record} for name, record in spelled.items()]
