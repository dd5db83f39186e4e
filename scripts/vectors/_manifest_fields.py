"""Changes of single fields of a good manifest: one for each rule that it then breaks."""

from __future__ import annotations

from typing import Final

from scripts.vectors._form import digest
from scripts.vectors._manifest_parts import Changes, each, link

__all__ = ["CHANGES"]

CHANGES: Final[Changes] = [
    ("volumes:", "not canonical", [("a list of no volumes", ("volumes",), [])]),
    ("casemate_manifest:", "only format known", [("a later format", ("casemate_manifest",), 2)]),
    (
        "casemate_manifest:",
        "malformed",
        [
            ("a format that is true", ("casemate_manifest",), True),
            ("a format that is text", ("casemate_manifest",), "1"),
        ],
    ),
    (
        "Extra inputs are not permitted",
        "unknown field",
        [
            ("an unknown field", ("more",), 1),
            ("an unknown field of an entry", ("root", 0, "more"), 1),
            ("an unknown field of a policy", ("policy", "more"), 1),
            ("an unknown field of a user", ("user", "more"), 1),
            ("an unknown field of a hole", ("holes", "port", "more"), 1),
            ("an unknown field of a mount", ("mounts", 0, "more"), 1),
            ("an unknown field of a volume", ("volumes",), [{"path": "/v", "volume": "records"}]),
            ("an unknown field of a writable", ("writable", 0, "more"), 1),
        ],
    ),
    (
        "Extra inputs are not permitted",
        "exactly the fields of its type",
        [
            ("a file with a target", ("root", 0, "target"), "x"),
            ("a folder with a size", ("root", 1, "size"), 0),
            ("a link with a mode", ("root", 2, "mode"), "0777"),
        ],
    ),
    (
        "Field required",
        "exactly the fields of its type",
        [
            ("a file without a digest", ("root", 0), {"path": "/bin/api", "type": "file", "size": 3, "mode": "0755"}),
            ("a link without a target", ("root", 2), {"path": "/lib", "type": "symlink"}),
        ],
    ),
    (
        "root.0",
        "malformed",
        [
            ("an entry without a type", ("root", 0), {"path": "/bin/api"}),
            ("an entry of another type", ("root", 0, "type"), "device"),
            ("a size that is text", ("root", 0, "size"), "3"),
            ("a size that is true", ("root", 0, "size"), True),
            ("a negative size", ("root", 0, "size"), -1),
            ("a path that is a number", ("root", 0, "path"), 1),
        ],
    ),
    ("role", "malformed", [("another role", ("role",), "guest"), ("a role in capitals", ("role",), "Workload")]),
    (
        "digest",
        "64 lower-case",
        each(
            "a digest",
            ("root", 0, "digest"),
            {
                "short": digest("x")[:-1],
                "long": digest("x") + "0",
                "in capitals": digest("x").upper(),
                "of another hash": "sha384:" + "0" * 96,
                "without its kind": "0" * 64,
                "with a space": digest("x")[:-1] + " ",
            },
        ),
    ),
    ("custodian", "64 lower-case", [("a custodian that is no digest", ("custodian",), "main")]),
    ("policy.genesis", "64 lower-case", [("a genesis that is no digest", ("policy", "genesis"), "acme/records")]),
    (
        "mode",
        "octal",
        [
            *each(
                "a mode",
                ("root", 0, "mode"),
                {
                    "with set-uid": "4755",
                    "with set-gid": "2755",
                    "sticky": "1755",
                    "of three digits": "755",
                    "decimal": "0788",
                    "with a sign": "+755",
                    "of five digits": "00755",
                    "with a prefix": "0o75",
                    "in other digits": "0\u0667\u0665\u0665",
                },
            ),
            *each("a mode of a writable", ("writable", 0, "mode"), {"with set-gid": "2777", "of three digits": "777"}),
        ],
    ),
    (
        "writable.0.size",
        "between 4,096",
        each(
            "a writable",
            ("writable", 0, "size"),
            {"of less than a page": 4095, "of more than a tebibyte": 2**40 + 1, "of nothing": 0},
        ),
    ),
    (
        "target",
        "1 to 4,095 bytes",
        each(
            "a link",
            ("root", 2),
            {
                "to nothing": link(""),
                "too long": link("x" * 4096),
                "too long in bytes": link("\u00e9" * 2048),
                "with a NUL": link("a\x00b"),
            },
        ),
    ),
    (
        "user",
        "malformed",
        each(
            "a user",
            ("user",),
            {
                "that is negative": {"uid": -1, "gid": 8},
                "by name": {"uid": "root", "gid": 8},
                "without a group": {"uid": 7},
            },
        ),
    ),
    (
        "user.",
        "2^31 - 1",
        each(
            "a user",
            ("user",),
            {
                "that stands for the present one": {"uid": 2**32 - 1, "gid": 8},
                "beyond the largest": {"uid": 2**31, "gid": 8},
                "with a group beyond the largest": {"uid": 7, "gid": 2**31},
            },
        ),
    ),
    (
        "policy.name",
        "policy.name",
        each(
            "a policy's name",
            ("policy", "name"),
            {
                "in capitals": "Acme/records",
                "without a space": "records",
                "with two": "a/b/c",
                "that begins with -": "-a/b",
                "too long": "a" * 64 + "/b",
                "not ASCII": "acm\u00e9/b",
                "with a line feed": "acme/records\n",
                "empty": "",
            },
        ),
    ),
    (
        "policy.service",
        "policy.service",
        each(
            "a service",
            ("policy", "service"),
            {
                "without a name": "",
                "in capitals": "API",
                "too long": "a" * 64,
                "that begins with _": "_a",
                "with a dot": "a.b",
            },
        ),
    ),
    (
        "environment",
        "letters, digits and _",
        each(
            "a variable",
            ("environment",),
            {
                "with =": {"A=B": ""},
                "without a name": {"": ""},
                "that begins with a digit": {"1": ""},
                "too long": {"A" * 129: ""},
                "not ASCII": {"\u00c4": ""},
                "with a NUL": {"A\x00": ""},
                "with a line feed": {"A\n": ""},
            },
        ),
    ),
    (
        "holds a NUL",
        "free of NUL",
        [
            ("a NUL in an argument", ("arguments", 0), "a\x00b"),
            ("a NUL in the entry point", ("entrypoint", 1), "\x00"),
            ("a NUL in a variable", ("environment", "PATH"), "/bin\x00"),
        ],
    ),
    # Wrong types of whole fields.
    ("root", "malformed", [("root as an object", ("root",), {})]),
    (
        "environment",
        "malformed",
        [("environment as a list", ("environment",), []), ("a variable that is null", ("environment", "PATH"), None)],
    ),
    (
        "arguments",
        "malformed",
        [("arguments as text", ("arguments",), "x"), ("an argument that is a number", ("arguments", 0), 1)],
    ),
    ("mounts.0.access", "malformed", [("a mount that may be executed", ("mounts", 0, "access"), "execute")]),
]
