"""The engine (crates/volume-python), loaded when it is needed: the command line does without."""

from __future__ import annotations

from typing import TYPE_CHECKING

from casemate.errors import PlatformError

if TYPE_CHECKING:
    import casemate_native

__all__ = ["engine"]


def engine() -> type[casemate_native.Volume]:
    """The class of open volumes. Errors: PlatformError where the module is not installed."""
    try:
        import casemate_native
    except ImportError as error:
        raise PlatformError(
            f"the module casemate_native cannot be loaded: {error}", remedy="run: make setup"
        ) from error
    return casemate_native.Volume
