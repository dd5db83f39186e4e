"""Changes of a good manifest with a certificate over evidence: one for each rule that it then breaks."""

from __future__ import annotations

from typing import Final

from scripts.vectors._manifest_parts import Changes, Place, each

__all__ = ["CHANGES", "RA_TLS"]

RA_TLS: Final[dict[str, object]] = {"path": "/run/tls", "lifetime": 3600, "reload": "hup"}

_LIFETIME: Final[Place] = ("ra_tls", "lifetime")
_PATH: Final[Place] = ("ra_tls", "path")
_RELOAD: Final[Place] = ("ra_tls", "reload")

CHANGES: Final[Changes] = [
    (
        "ra_tls.lifetime",
        "between 60 and 86,400",
        each("a certificate", _LIFETIME, {"for less than a minute": 59, "for more than a day": 86_401}),
    ),
    ("ra_tls.lifetime", "malformed", [("a certificate for less than no time", _LIFETIME, -1)]),
    (
        "ra_tls.reload",
        "malformed",
        each("a certificate", _RELOAD, {"that ends the workload": "kill", "with a signal in capitals": "HUP"}),
    ),
    (
        "place that the shield makes",
        "the shield",
        [("a certificate at a place of the shield", _PATH, "/run/casemate/t")],
    ),
    ("not an absolute path", "absolute", [("a certificate at a path that is not absolute", _PATH, "run/tls")]),
    ("ra_tls: a path twice", "there twice", [("a certificate at a writable folder", _PATH, "/tmp")]),  # noqa: S108
    ("lies in another", "inside another one", [("a certificate in a folder of the host", _PATH, "/data/tls")]),
    (
        "below a file or a link",
        "below a file or a symbolic link",
        each("a certificate", _PATH, {"in place of a program": "/bin/api", "below a link": "/lib/tls"}),
    ),
    ("would hide files", "which it would hide", [("a certificate that hides the program", _PATH, "/bin")]),
    ("outside what is mounted", "or ra_tls", [("a file of the policy beside the certificate", _PATH, "/run/secrets")]),
    ("ra_tls.key", "unknown field", [("a certificate with an unknown field", ("ra_tls", "key"), "x")]),
]
