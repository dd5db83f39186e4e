"""Sealing the layers of an image, as many at a time as there are processors."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock

from casemate.image.original import Layer
from casemate.image.tool import Limits, Sealed, Tool
from casemate.tool import Listener

__all__ = ["seal_all"]


def seal_all(
    layers: Sequence[Layer],
    *,
    tool: Tool,
    key: str | None,
    scratch: Path,
    limits: Limits,
    progress: Listener | None,
) -> list[tuple[Path, Sealed]]:
    """The blobs, in new files of `scratch`, in the order of `layers`. The first refusal ends it."""
    told = _Sum([layer.size for layer in layers], progress)
    fetching = Lock()

    def seal(number: int) -> tuple[Path, Sealed]:
        layer = layers[number]
        with fetching:
            archive = layer.fetch(told.of(number, 0))
        target = scratch / f"sealed-{number}"
        sealed = tool.seal(archive, target, diff_id=layer.diff_id, key=key, limits=limits, progress=told.of(number, 1))
        if layer.is_ours:
            archive.unlink()
        told.of(number, 1)(layer.size, layer.size)
        return target, sealed

    with ThreadPoolExecutor(max_workers=min(len(layers), os.cpu_count() or 1)) as pool:
        working = [pool.submit(seal, number) for number in range(len(layers))]
        try:
            return [one.result() for one in working]
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


class _Sum:
    """How far all layers are: each is fetched and sealed, both count as its bytes."""

    def __init__(self, sizes: Sequence[int], listener: Listener | None) -> None:
        self._done = [[0, 0] for _ in sizes]
        self._total = 2 * sum(sizes)
        self._sizes = sizes
        self._listener = listener
        self._lock = Lock()

    def of(self, number: int, step: int) -> Listener:
        def tell(done: int, _total: int) -> None:
            with self._lock:
                mine = self._done[number]
                mine[step] = min(done, self._sizes[number])
                if step:
                    mine[0] = self._sizes[number]
                if self._listener is not None:
                    self._listener(sum(map(sum, self._done)), self._total)

        return tell
