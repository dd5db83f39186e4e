"""Releases as a document names them: that both ways to say what runs are not mixed, and that who may sign is enough."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import TypeAdapter, ValidationError

from casemate.policy._access import names_of, rule_faults
from casemate.policy._faults import Fault, Path
from casemate.policy._implication import TooInvolvedError, is_as_strong
from casemate.policy.rules import AnyOfRules
from casemate.wire.rules import Rule

__all__ = ["release_faults"]

_RULE: TypeAdapter[AnyOfRules] = TypeAdapter(Rule)
_PINS = {"workload": ("manifest",), "runtime": ("measurement", "measurements")}


def release_faults(services: object, principals: object, access: object) -> list[Fault]:
    """All that is wrong with the releases that `services` name; the forms of their fields are judged elsewhere."""
    update = access.get("update") if isinstance(access, dict) else None
    faults: list[Fault] = []
    for path, part in _parts(services):
        for pin in _PINS[str(path[-1])]:
            if pin in part and "release" in part:
                message = f"both a {pin} and a release"
                faults.append(Fault((*path, pin), message, "keep one of the two", on_key=True))
        if "release" in part and "signed_by" in part:
            faults += _signer_faults(part["signed_by"], (*path, "signed_by"), names_of(principals), update)
    return faults


def _signer_faults(rule: object, path: Path, names: list[str], update: object) -> list[Fault]:
    faults = rule_faults(rule, path, names)
    if faults:
        return faults
    parsed, needed = _rule(rule), _rule(update)
    if parsed is None or needed is None:
        return []  # told elsewhere
    try:
        if is_as_strong(parsed, needed):
            return []
    except TooInvolvedError:
        message = "there are too many ways to satisfy this rule to hold it against access.update"
        return [Fault(path, message, "write the rule of access.update, or a simpler one")]
    # Who signs releases says what gets the secrets; that is as much as changing the policy.
    message = "some who satisfy this rule may not update the policy, and a release changes what the policy admits"
    return [Fault(path, message, "write the rule of access.update, or one that asks for more")]


def _rule(value: object) -> AnyOfRules | None:
    try:
        return _RULE.validate_python(value)
    except ValidationError:
        return None


def _parts(services: object) -> Iterator[tuple[Path, dict[str, Any]]]:
    for name, service in services.items() if isinstance(services, dict) else ():
        for field in _PINS:
            part = service.get(field) if isinstance(service, dict) else None
            if isinstance(part, dict):
                yield ("services", name, field), part
