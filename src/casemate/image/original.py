"""An image before it is protected: what of it matters, wherever it comes from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from casemate.errors import ImageRefusedError
from casemate.image.settings import Settings
from casemate.tool import Listener

__all__ = ["EPOCH", "Layer", "Original"]

EPOCH = "1970-01-01T00:00:00Z"


@dataclass(frozen=True)
class Layer:
    """`fetch` brings the archive's file, whose bytes were held against their digest, unless that is `diff_id`, against
    which whoever unpacks it holds them; `is_ours`: it may be deleted.
    """

    size: int
    diff_id: str
    fetch: Callable[[Listener | None], Path]
    is_ours: bool = False


@dataclass(frozen=True)
class Original:
    """`layers` from the bottom up. What is `visible` stays for everybody to see: labels, ports, the signal to stop."""

    architecture: str
    settings: Settings
    layers: Sequence[Layer]
    created: str = EPOCH
    visible: Mapping[str, object] = field(default_factory=dict)

    def distinct(self) -> list[Layer]:
        """Each layer once. Of a layer that comes again only the upper one can be seen: what it has or takes away, it
        has and takes away there. Errors: ImageRefusedError.
        """
        last = {layer.diff_id: number for number, layer in enumerate(self.layers)}
        kept = [layer for number, layer in enumerate(self.layers) if last[layer.diff_id] == number]
        if not kept:
            raise ImageRefusedError("the image has no layers", step="image.layers")
        return kept
