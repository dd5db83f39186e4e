"""Principals and access rules: that they hold together (spec/policy.md, "Rules")."""

from __future__ import annotations

from typing import Final

from casemate.errors import MalformedError
from casemate.policy._explain import unknown_field
from casemate.policy._faults import Fault, Path, closest
from casemate.wire.binding import key_bytes
from casemate.wire.rules import MAX_MEMBERS, MAX_NESTING

__all__ = ["access_faults", "board_faults", "names_of", "principal_faults", "rule_faults"]

_FORMS: Final = "{any: […]}, {all: […]} or {at_least: N, of: […]}"


def principal_faults(value: object) -> list[Fault]:
    """Keys that are spelled in a second way, and two names for one key (one person would count twice)."""
    faults: list[Fault] = []
    owners: dict[bytes, str] = {}
    for name, principal in value.items() if isinstance(value, dict) else ():
        text = principal.get("key") if isinstance(principal, dict) else None
        if not isinstance(text, str) or not text.startswith("ed25519:"):
            continue
        path: Path = ("principals", name, "key")
        try:
            key = key_bytes(text)
        except MalformedError:
            faults.append(Fault(path, "not a public key", "copy it from `casemate identity show`"))
            continue
        if key in owners:
            message = f"the same key as {owners[key]}: one person would count twice"
            faults.append(Fault(path, message, "give every principal a key of its own"))
        owners.setdefault(key, name)
    return faults


def access_faults(value: object, principals: object) -> list[Fault]:
    """Everything that is wrong with the two rules of `access`."""
    if not isinstance(value, dict):
        return []
    names = names_of(principals)
    return [
        fault
        for field in ("read", "update")
        if field in value
        for fault in rule_faults(value[field], ("access", field), names, 1)
    ]


def board_faults(rule: object, principals: object) -> list[Fault]:
    """Everything that is wrong with a custodian's board."""
    return principal_faults(principals) + rule_faults(rule, ("rule",), names_of(principals), 1)


def names_of(principals: object) -> list[str]:
    """Of whatever stands at `principals`."""
    return [name for name in principals if isinstance(name, str)] if isinstance(principals, dict) else []


def rule_faults(rule: object, path: Path, names: list[str], depth: int = 1) -> list[Fault]:
    """Everything that is wrong with the rule at `path`; `names` are the principals'."""
    if not isinstance(rule, dict):
        return [Fault(path, "not an access rule", f"write {_FORMS}")]
    if depth > MAX_NESTING:
        return [Fault(path, f"rules nest deeper than {MAX_NESTING} levels", "flatten the rule")]
    field = next((name for name in ("any", "all", "of") if name in rule), None)
    if field is None:
        return [Fault(path, "not an access rule", f"write {_FORMS}")]
    known = ["at_least", "of"] if field == "of" else [field]
    faults = [unknown_field((*path, name), name, known) for name in rule if name not in known]
    members = rule[field]
    faults += _list_faults(members, (*path, field))
    if field == "of":
        faults += _threshold_faults(rule, path)
    for index, member in enumerate(members[:MAX_MEMBERS] if isinstance(members, list) else ()):
        faults += _member_faults(member, (*path, field, index), names, depth)
    return faults


def _list_faults(members: object, path: Path) -> list[Fault]:
    if not isinstance(members, list) or not members:
        return [Fault(path, "expected a list of principals or rules", "name at least one principal")]
    if len(members) > MAX_MEMBERS:
        return [Fault(path, f"more than {MAX_MEMBERS} members", "nest rules instead")]
    faults = []
    seen: set[str] = set()
    for index, member in enumerate(members):
        if isinstance(member, str) and member in seen:
            faults.append(Fault((*path, index), f"{member} is named twice in one list", "name everybody once"))
        if isinstance(member, str):
            seen.add(member)
    return faults


def _threshold_faults(rule: dict[str, object], path: Path) -> list[Fault]:
    needed, members = rule.get("at_least"), rule["of"]
    if needed is None:
        return [Fault(path, "the field 'at_least' is missing", "say how many of them are needed", on_key=True)]
    if isinstance(needed, bool) or not isinstance(needed, int) or needed < 1:
        return [Fault((*path, "at_least"), "expected a number from 1 up", "write how many of them are needed")]
    if isinstance(members, list) and needed > len(members):
        message = f"{needed} of {len(members)} can never be reached"
        return [Fault((*path, "at_least"), message, f"write at most {len(members)}")]
    return []


def _member_faults(member: object, path: Path, names: list[str], depth: int) -> list[Fault]:
    if not isinstance(member, str):
        return rule_faults(member, path, names, depth + 1)
    if member in names:
        return []
    meant = closest(member, names)
    remedy = f"did you mean '{meant}'?" if meant else f"the principals are {', '.join(names) or '(none)'}"
    return [Fault(path, f"there is no principal '{member}'", remedy)]
