"""What kinds without certificates have in common: nothing to renew, nothing that changes by itself."""

from __future__ import annotations

from typing import Any

from casemate.secrets.kind import Making, Material

__all__ = ["Lasting", "no_issuer"]


class Lasting:
    """Never renewed; every change of fields needs `rotate`."""

    def renew(self, _spec: Any, _material: Material, _making: Making) -> Material | None:
        return None

    def may_become(self, _old: Any, _new: Any) -> bool:
        return False


def no_issuer(_spec: Any) -> None:
    return None
