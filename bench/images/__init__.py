"""Protected images beside the same ones as they were, in one engine and one run, in turns: `python -m bench.images`.

Needs root, Podman with runc and what examples/services needs; says so where it is not there.
"""

from __future__ import annotations

from bench.images import protecting, running, serving
from bench.result import Result
from examples.services.images import Images
from examples.services.place import place

__all__ = ["measure"]


def measure() -> list[Result]:
    with place() as prepared:
        images = Images(prepared.owner)
        return [
            *protecting.measure(prepared),
            *running.measure(prepared, images),
            *serving.measure(prepared, images),
        ]
