"""Launch manifests (spec/manifest.md): good ones, and one for each way to be wrong."""

from __future__ import annotations

import copy
from typing import Any

from scripts.vectors._form import Case, b64u, canonical, digest, render, sha256
from scripts.vectors._manifest_fields import CHANGES as FIELDS
from scripts.vectors._manifest_health import CHANGES as CHECKS
from scripts.vectors._manifest_health import HEALTH
from scripts.vectors._manifest_images import CHANGES as IMAGES
from scripts.vectors._manifest_images import IMAGE
from scripts.vectors._manifest_places import CHANGES as PLACES
from scripts.vectors._manifest_ra_tls import CHANGES as CERTIFICATES
from scripts.vectors._manifest_ra_tls import RA_TLS

__all__ = ["document"]

MANIFEST: dict[str, Any] = {
    "casemate_manifest": 1,
    "role": "workload",
    "custodian": digest("custodian"),
    "policy": {"name": "acme/records", "genesis": digest("genesis"), "service": "api"},
    "root": [
        {"path": "/bin/api", "type": "file", "digest": digest("api"), "size": 3, "mode": "0755"},
        {"path": "/data", "type": "directory", "mode": "0700"},
        {"path": "/lib", "type": "symlink", "target": "usr/lib"},
    ],
    "writable": [{"path": "/tmp", "mode": "1777", "size": 4096}],  # noqa: S108 - a path inside the private root
    "mounts": [{"path": "/data", "access": "read"}],
    "files": ["/run/secrets/key"],
    "entrypoint": ["/bin/api", "-v"],
    "arguments": ["--port={{ hole.port }}"],
    "environment": {"PATH": "/bin", "TOKEN": "{{ hole.token }}"},
    "holes": {"port": {"pattern": "[0-9]+", "from": "host"}, "token": {"pattern": ".+", "from": "policy"}},
    "user": {"uid": 7, "gid": 8},
    "working_directory": "/",
}
OF_IMAGE: dict[str, Any] = {**MANIFEST, "root": [], "image": IMAGE, "capabilities": ["chown", "setuid"]}
CHECKED: dict[str, Any] = {**MANIFEST, "health": HEALTH}
CERTIFIED: dict[str, Any] = {**MANIFEST, "ra_tls": RA_TLS}
CUSTODIAN: dict[str, Any] = {name: value for name, value in MANIFEST.items() if name not in {"custodian", "policy"}} | {
    "role": "custodian"
}


def document() -> str:
    return render(
        "canonical bytes, their digests, and what is refused; `custodian` and `shield`: words of the reasons of each",
        good=[
            {"name": name, "manifest": canonical(value).decode(), "digest": f"sha256:{sha256(canonical(value)).hex()}"}
            for name, value in _good().items()
        ],
        hostile=[*_fields(), *_missing(), *_spellings()],
    )


def _good() -> dict[str, object]:
    letters = ["/caf\u00e9", "/cafe\u0301", "/\ud7ff", "/\ue000", "/\U0001f511"]
    files = [{"path": path, "type": "file", "digest": digest(path), "size": 0, "mode": "0444"} for path in letters]
    root = sorted([*MANIFEST["root"], *files], key=lambda entry: str(entry["path"]))
    return {
        "a workload": MANIFEST,
        "a custodian": CUSTODIAN,
        "a user whom the policy says": {name: value for name, value in MANIFEST.items() if name != "user"},
        "paths in the order of their code points, two spellings of one letter": {**MANIFEST, "root": root},
        "texts that are escaped": {**MANIFEST, "entrypoint": ["/bin/api", '"\\\b\f\n\r\t\x01\x7f\u2028\u202e'],
                                   "environment": {**MANIFEST["environment"], "A": "\U0001f511/"}},
        "the longest path": {**MANIFEST, "files": ["/run/" + "x" * 4090]},
        "a working directory that the shield makes": {**MANIFEST, "working_directory": "/proc/self"},
        "the largest numbers": _with(("root", 0, "size"), 2**53 - 1) | {"user": {"uid": 2**31 - 1, "gid": 2**31 - 1}},
        "the largest writable": _with(("writable", 0, "size"), 2**40),
        "a link that is the program": _with(("entrypoint", 0), "/lib"),
        "volumes, of which one covers a folder of root": {**MANIFEST, "mounts": [],
                                                         "volumes": [{"path": "/data"}, {"path": "/vault/a"}]},
        "an image": OF_IMAGE,
        "an image that everybody may read and nobody writes to": {
            **OF_IMAGE, "image": {"layers": [digest("base")], "protection": "authenticated"},
            "entrypoint": ["/no/root"],
        },
        "a health check": CHECKED,
        "a health check of an image, as long as one may be": {
            **OF_IMAGE, "health": {"command": ["/no/root"], "timeout": 3_600_000},
        },
        "a certificate over evidence": CERTIFIED,
        "a certificate of an image, for a day, of which nobody is told": {
            **OF_IMAGE, "ra_tls": {"path": "/srv/tls", "lifetime": 86_400},
        },
        "a hole in every place": {**MANIFEST, "arguments": ["{{ hole.port }}{{ hole.port }}}", "{{ hole.token }}"]},
    }  # fmt: skip


def _with(place: tuple[str | int, ...], value: object, manifest: dict[str, Any] = MANIFEST) -> dict[str, Any]:
    changed = copy.deepcopy(manifest)
    target: Any = changed
    for part in place[:-1]:
        target = target[part]
    target[place[-1]] = value
    return changed


def _fields() -> list[Case]:
    return [
        {
            "name": name,
            "manifest": canonical(_with(place, value, base)).decode(),
            "custodian": custodian,
            "shield": shield,
        }
        for base, kinds in (
            (MANIFEST, (*FIELDS, *PLACES)),
            (OF_IMAGE, IMAGES),
            (CHECKED, CHECKS),
            (CERTIFIED, CERTIFICATES),
        )
        for custodian, shield, changes in kinds
        for name, place, value in changes
    ]


def _missing() -> list[Case]:
    cases: list[Case] = []
    for field in sorted(set(MANIFEST) - {"custodian", "policy", "user"}):
        value = {name: entry for name, entry in MANIFEST.items() if name != field}
        cases.append(
            {"name": f"without {field}", "manifest": canonical(value).decode(), "custodian": f"{field}: Field required",
             "shield": f"missing field `{field}`"}
        )  # fmt: skip
    for field in ("custodian", "policy"):
        value = {name: entry for name, entry in MANIFEST.items() if name != field}
        cases.append({"name": f"a workload without its {field}", "manifest": canonical(value).decode(),
                      "custodian": "names its custodian and its policy", "shield": "a workload names"})  # fmt: skip
    for field in ("custodian", "policy"):
        cases.append({"name": f"a custodian with a {field}",
                      "manifest": canonical({**CUSTODIAN, field: MANIFEST[field]}).decode(),
                      "custodian": "names no custodian", "shield": "a custodian names no"})  # fmt: skip
    cases.append({"name": "a custodian with a volume",
                  "manifest": canonical({**CUSTODIAN, "volumes": [{"path": "/v"}]}).decode(),
                  "custodian": "a custodian has no volumes", "shield": "a custodian has no volumes"})  # fmt: skip
    cases.append({"name": "a custodian with a health check",
                  "manifest": canonical({**CUSTODIAN, "health": HEALTH}).decode(),
                  "custodian": "a custodian has no health check",
                  "shield": "a custodian has no health check"})  # fmt: skip
    cases.append({"name": "a custodian with a certificate of its shield",
                  "manifest": canonical({**CUSTODIAN, "ra_tls": RA_TLS}).decode(),
                  "custodian": "it makes one itself", "shield": "it makes one itself"})  # fmt: skip
    for field, entry in (("image", IMAGE), ("capabilities", ["kill"])):
        value = {**CUSTODIAN, "root": [], field: entry}
        cases.append({"name": f"a custodian with its {field}", "manifest": canonical(value).decode(),
                      "custodian": "a custodian has no image", "shield": "a custodian has no image"})  # fmt: skip
    value = {name: entry for name, entry in CUSTODIAN.items() if name != "user"}
    return [*cases, {"name": "a custodian without a user", "manifest": canonical(value).decode(),
                     "custodian": "says its user", "shield": "says its user"}]  # fmt: skip


def _spellings() -> list[Case]:
    text = canonical(MANIFEST).decode()
    other, syntax, form = "not canonical", "not JSON", "malformed"
    shapes: dict[str, tuple[str, str, str]] = {
        "a space in front": (" " + text, other, other),
        "a line feed behind": (text + "\n", other, other),
        "a space inside": (text.replace('"size":3', '"size": 3'), other, other),
        "an escape that is not needed": (text.replace("acme", "\\u0061cme"), other, other),
        "an escaped slash": (text.replace("/bin/api", "\\/bin/api", 1), other, other),
        "an escape in capitals": (text.replace('"-v"', '"\\u001F"'), other, other),
        "names in another order": ('{"role":"workload",' + text[1:].replace('"role":"workload",', ""), other, other),
        "names of an entry in another order": (
            text.replace('{"access":"read","path":"/data"}', '{"path":"/data","access":"read"}'), other, other,
        ),
        "null for an absent user": (
            text.replace('"user":{"gid":8,"uid":7}', '"user":null'), "is spelled in a way", other,
        ),
        "a byte order mark": ("\ufeff" + text, syntax, form),
        "something behind": (text + "{}", syntax, form),
        "cut short": (text[:-1], syntax, form),
        "nothing": ("", syntax, form),
        "a list around it": (f"[{text}]", "(the whole)", form),
        "an exponent": (text.replace('"size":3', '"size":3e0'), syntax, form),
        "a fraction": (text.replace('"size":3', '"size":3.0'), syntax, form),
        "a negative zero": (text.replace('"size":3', '"size":-0'), other, form),
        "a size beyond 2^53": (text.replace('"size":3', f'"size":{2**53}'), syntax, "2^53 - 1"),
        "a size beyond 2^64": (text.replace('"size":3', f'"size":{2**64}'), syntax, form),
        "half of a surrogate pair": (text.replace('"-v"', '"\\ud800"'), syntax, form),
        "a raw control character": (text.replace('"-v"', '"\x01"'), syntax, form),
        "a comment": (text[:-1] + "/**/}", syntax, form),
        "a field twice": (text.replace('"files":', '"files":[],"files":'), syntax, form),
        "a variable twice": (text.replace('"TOKEN":', '"TOKEN":"","TOKEN":'), syntax, form),
        "a hole twice": (text.replace('"port":', '"port":{"from":"host","pattern":"x"},"port":'), syntax, form),
        "a digest twice": (text.replace('"digest":', f'"digest":"{digest("x")}","digest":', 1), syntax, form),
        "nested too deeply": (text.replace('"-v"', "[" * 200 + "]" * 200), "nested too deeply", form),
    }  # fmt: skip
    cases: list[Case] = [
        {"name": name, "manifest": shape, "custodian": custodian, "shield": shield}
        for name, (shape, custodian, shield) in shapes.items()
    ]
    broken = text.encode().replace(b'"-v"', b'"\xff"')
    return [*cases, {"name": "a byte that is no UTF-8", "bytes": b64u(broken), "custodian": syntax, "shield": form}]
