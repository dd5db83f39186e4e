"""Changes of a good manifest whose root is an image: one for each rule that it then breaks."""

from __future__ import annotations

from typing import Final

from scripts.vectors._form import digest
from scripts.vectors._manifest_parts import Changes, Place, each, file

__all__ = ["CHANGES", "IMAGE"]

IMAGE: Final[dict[str, object]] = {
    "layers": [digest("base"), digest("application")],
    "protection": "encrypted",
    "writable": 4096,
}

_LAYERS: Final[Place] = ("image", "layers")
_PROGRAM: Final[Place] = ("entrypoint", 0)
_KEPT: Final[Place] = ("capabilities",)

CHANGES: Final[Changes] = [
    (
        "image.layers",
        "image.layers",
        each(
            "layers",
            _LAYERS,
            {"of an image that are none": [], "that are too many": [digest(str(number)) for number in range(129)]},
        ),
    ),
    ("image.layers.0", "image.layers", [("a layer by another hash", _LAYERS, [f"sha512:{'0' * 128}"])]),
    ("a layer twice", "a layer twice", [("a layer that is there twice", _LAYERS, [digest("a"), digest("a")])]),
    ("image.protection", "malformed", [("an image that nothing protects", ("image", "protection"), "none")]),
    (
        "image.writable",
        "between 4,096 and 2^40",
        each("an image", ("image", "writable"), {"with too little room": 4095, "with too much room": 2**40 + 1}),
    ),
    ("image.tag", "unknown field", [("an image with an unknown field", ("image", "tag"), "latest")]),
    ("the layers of image", "the layers of image", [("a file beside the layers", ("root",), [file("/bin/api")])]),
    (
        "not an absolute path",
        "not an absolute path",
        each("a program of an image", _PROGRAM, {"that is relative": "api", "that is the root": "/"}),
    ),
    ("a place that the shield makes itself", "shield makes", [("a program of the host", _PROGRAM, "/proc/self/exe")]),
    ("capabilities", "malformed", [("a capability that nobody keeps", _KEPT, ["sys_admin"])]),
    ("capabilities", "not canonical", [("a list of no capabilities", _KEPT, [])]),
    (
        "capabilities: not sorted",
        "capabilities are not sorted",
        each(
            "capabilities",
            _KEPT,
            {"that are not sorted": ["setuid", "chown"], "of which one comes twice": ["kill"] * 2},
        ),
    ),
]
