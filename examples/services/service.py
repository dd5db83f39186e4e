"""What an example says of itself; everything else is the same for all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from examples.services.hosted import Hosted
    from examples.services.running import Running

__all__ = ["Service", "WorkError", "expect"]


class WorkError(Exception):
    """A service did not do its work."""


@dataclass(frozen=True)
class Service:
    """`examples/services/NAME/image` is the source of its ordinary image, NAME of the folder."""

    name: str
    use: Callable[[Running], None]
    """The work of its client, with the service up; may come more than once. Errors: WorkError."""
    hidden: Sequence[bytes]
    """Content and names of its image that the host must not find; each is in the ordinary image, to be found there."""
    written: Sequence[bytes] = ()
    """What `use` gives to the service: likewise."""
    kept: Callable[[Running], None] | None = None
    """With volumes: that what `use` wrote is there at a later start. Errors: WorkError."""
    stops: int = 0
    """Exit status after `podman stop`."""
    volumes: Mapping[str, str] = field(default_factory=dict)
    """Sealed volumes: the name in the policy → where the image wants it."""
    options: Sequence[str] = ()
    """Of `casemate image protect`."""
    policy: Mapping[str, Any] = field(default_factory=dict)
    """What its owner writes into the policy, beside what `protect` writes."""
    people: Sequence[str] = ()
    """Further principals of the policy."""
    prepare: Callable[[Hosted], None] | None = None
    """What people do once the policy is there."""
    listens: bool = True
    """On a port; else it is a job, which `use` waits for."""

    @property
    def source(self) -> Path:
        return self.folder(self.name)

    @staticmethod
    def folder(name: str) -> Path:
        """What the ordinary image of an example is made of."""
        return Path(__file__).parent / name / "image"


def expect(what: str, got: object, wanted: object) -> None:
    """Errors: WorkError."""
    if got != wanted:
        raise WorkError(f"{what}: {got!r} and not {wanted!r}")
