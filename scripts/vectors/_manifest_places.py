"""Changes of paths, programs and holes of a good manifest: one for each rule that it then breaks."""

from __future__ import annotations

from typing import Final

from scripts.vectors._manifest_parts import Changes, Place, each, file, folder, link

__all__ = ["CHANGES"]

_AT: Final[Place] = ("writable", 0, "path")
_ROOT: Final[Place] = ("root", 0, "path")


def _hidden(place: Place, what: str) -> list[tuple[str, Place, object]]:
    points = (0x01, 0x0A, 0x1B, 0x7F, 0x85, 0x9F, 0x61C, 0x200E, 0x200F, 0x2028, 0x2029, 0x202A, 0x202E, 0x2066, 0x2069)
    return [(f"{what} with U+{point:04X}", place, f"/run/a{chr(point)}b") for point in points]


CHANGES: Final[Changes] = [
    # Paths.
    (
        "not an absolute path",
        "not an absolute path",
        [
            *each("a path", _AT, {"that is relative": "tmp", "that is empty": "", "that is the root": "/"}),
            ("a working directory that is relative", ("working_directory",), "bin"),
            ("a working directory that is empty", ("working_directory",), ""),
        ],
    ),
    (
        "not normalised",
        "not normalised",
        [
            *each(
                "a path",
                _AT,
                {
                    "with a slash at its end": "/a/",
                    "with two slashes": "/a//b",
                    "with .": "/a/./b",
                    "with ..": "/a/../b",
                    "that ends with ..": "/a/..",
                    "that begins with two slashes": "//a",
                },
            ),
            ("a working directory that climbs", ("working_directory",), "/bin/.."),
            ("a working directory with a slash at its end", ("working_directory",), "/bin/"),
        ],
    ),
    (
        "longer than 4095 bytes",
        "longer than 4,095 bytes",
        [
            ("a path too long", _AT, "/" + "a" * 4095),
            ("a path too long in bytes", _AT, "/" + "\u00e9" * 2048),
            ("a working directory too long", ("working_directory",), "/" + "a" * 4095),
        ],
    ),
    (
        "does not show",
        "do not show",
        [
            *_hidden(_AT, "a path"),
            ("a path of root that is read backwards", _ROOT, "/bin/\u202eipa"),
            ("a file of the policy that is read backwards", ("files", 0), "/run/\u202eyek"),
            ("a mount with a line feed", ("mounts", 0, "path"), "/data\n"),
            ("a working directory that does not show", ("working_directory",), "/\u200f"),
            ("a volume with a line feed", ("volumes",), [{"path": "/v\n"}]),
            ("a NUL in a path", _AT, "/a\x00b"),
        ],
    ),
    (
        "a place that the shield makes itself",
        "a place that the shield makes itself",
        each(
            "a path",
            _AT,
            {
                path: path
                for path in (
                    "/proc",
                    "/proc/self",
                    "/dev",
                    "/dev/null/x",
                    "/sys",
                    "/sys/fs",
                    "/run/casemate",
                    "/run/casemate/x",
                )
            },
        ),
    ),
    (
        "not sorted",
        "not sorted",
        [
            ("root out of order", _ROOT, "/m"),
            ("root with a path twice", _ROOT, "/data"),
            ("volumes out of order", ("volumes",), [{"path": "/w"}, {"path": "/v"}]),
            ("a volume twice", ("volumes",), [{"path": "/v"}, {"path": "/v"}]),
            ("files out of order", ("files",), ["/run/b", "/run/a"]),
            ("a file of the policy twice", ("files",), ["/run/a", "/run/a"]),
            ("root in the order of UTF-16", ("root",), [file("/\U00010000"), file("/\ue000")]),
        ],
    ),
    (
        "lies below a file or a link",
        "below a file or a symbolic link",
        [
            ("root below a file", ("root", 1), folder("/bin/api/x")),
            ("root below a link", ("root",), [link("x"), file("/lib/x")]),
            ("a file below another one", ("files",), ["/run/a", "/run/a/b"]),
        ],
    ),
    (
        "on or below a file or a link",
        "on or below a file",
        [
            ("a writable on a file", _AT, "/bin/api"),
            ("a writable below a file", _AT, "/bin/api/x"),
            ("a writable below a link", _AT, "/lib/x"),
            ("a mount on a link", ("mounts", 0, "path"), "/lib"),
            ("a volume on a file", ("volumes",), [{"path": "/bin/api"}]),
            ("a volume below a link", ("volumes",), [{"path": "/lib/x"}]),
        ],
    ),
    (
        "would hide",
        "would hide",
        [
            ("a writable that hides root", _AT, "/bin"),
            ("a mount that hides root", ("mounts", 0, "path"), "/bin"),
            ("a volume that hides root", ("volumes",), [{"path": "/bin"}]),
        ],
    ),
    (
        "twice",
        "there twice",
        [("a writable on a mount", _AT, "/data"), ("a volume on a mount", ("volumes",), [{"path": "/data"}])],
    ),
    (
        "another writable, mount or volume",
        "inside another",
        [
            ("a writable in a mount", _AT, "/data/x"),
            ("a mount in a mount", ("mounts",), [{"path": p, "access": "read"} for p in ("/data", "/data/x")]),
            ("a volume in a mount", ("volumes",), [{"path": "/data/x"}]),
            ("a volume in a volume", ("volumes",), [{"path": "/v"}, {"path": "/v/x"}]),
        ],
    ),
    (
        "must lie below /run",
        "not below /run",
        [
            *each(
                "a file of the policy",
                ("files", 0),
                {"outside /run": "/etc/key", "that is /run": "/run", "beside /run": "/runx", "in a mount": "/data/key"},
            ),
            ("a file of the policy in a volume", ("volumes",), [{"path": "/run/secrets"}]),
            ("a file of the policy in a writable", ("writable", 0, "path"), "/run/secrets"),
            ("a file of the policy that is a writable", ("writable", 0, "path"), "/run/secrets/key"),
            ("a file of the policy that is in root", ("root",), [file("/bin/api"), file("/run/secrets/key")]),
        ],
    ),
    (
        "is a folder of something else",
        "a folder of something else",
        [
            ("a file of the policy above a writable", ("writable", 0, "path"), "/run/secrets/key/x"),
            ("a file of the policy above root", ("root",), [file("/bin/api"), file("/run/secrets/key/x")]),
        ],
    ),
    # Programs and holes.
    (
        "not a file or link of root",
        "no file or symbolic link",
        [
            ("a program that is not there", ("entrypoint", 0), "/bin/other"),
            ("a program that is a folder", ("entrypoint", 0), "/data"),
            ("a program by a relative path", ("entrypoint", 0), "bin/api"),
            ("a program by another spelling", ("entrypoint", 0), "/bin//api"),
        ],
    ),
    ("entrypoint", "0 members", [("no program", ("entrypoint",), [])]),
    ("entrypoint has no holes", "has no holes", [("a hole in the entry point", ("entrypoint", 1), "{{ hole.port }}")]),
    (
        "is used but not declared",
        "is used but not declared",
        [("an undeclared hole", ("arguments", 0), "{{ hole.port }}{{ hole.x }}")],
    ),
    ("is declared but not used", "is declared but not used", [("an unused hole", ("arguments", 0), "x")]),
    (
        "that is not a '{{ hole.NAME }}'",
        "that is not a '{{ hole.NAME }}'",
        [
            ("a hole that does not end", ("arguments", 0), "{{ hole.port }"),
            ("a hole without spaces", ("arguments", 0), "{{hole.port}}"),
            ("three braces", ("arguments", 0), "{{{ hole.port }}"),
            ("a secret in an argument", ("arguments", 0), "{{ secret.x }}"),
            ("two braces in a variable", ("environment", "PATH"), "{{"),
        ],
    ),
    (
        "never filled from a hole",
        "never filled from a hole",
        [
            (f"a hole in {name}", ("environment", name), "{{ hole.port }}")
            for name in (
                "LD_PRELOAD",
                "PYTHONPATH",
                "PERL5LIB",
                "RUBYOPT",
                "NODE_OPTIONS",
                "JAVA_TOOL_OPTIONS",
                "JDK_JAVA_OPTIONS",
                "LUA_PATH",
                "GCONV_PATH",
                "MALLOC_ARENA_MAX",
                "BASH_ENV",
                "DYLD_INSERT_LIBRARIES",
                "GLIBC_TUNABLES",
                "ENV",
                "CLASSPATH",
                "LOCPATH",
                "NLSPATH",
                "IFS",
                "PATH",
                "_JAVA_OPTIONS",
            )
        ],
    ),
    (
        "holes.",
        "letters, digits and _",
        each(
            "a hole's name",
            ("holes",),
            {
                "with -": {"a-b": {"pattern": "x", "from": "host"}},
                "that begins with a digit": {"1": {"pattern": "x", "from": "host"}},
                "too long": {"a" * 65: {"pattern": "x", "from": "host"}},
                "empty": {"": {"pattern": "x", "from": "host"}},
            },
        ),
    ),
    ("holes.port.from", "malformed", [("a hole that nobody fills", ("holes", "port", "from"), "me")]),
    (
        "has look-around, flags",
        "has look-around, flags",
        [("a pattern with flags", ("holes", "port", "pattern"), "(?i)x")],
    ),
    ("^ or $", "^ or $", [("a pattern with an anchor", ("holes", "port", "pattern"), "^[0-9]+$")]),
    (
        "holes.port.pattern",
        "is empty or longer",
        [
            ("a pattern too long", ("holes", "port", "pattern"), "a" * 257),
            ("no pattern", ("holes", "port", "pattern"), ""),
        ],
    ),
]
