"""Changing one value in a policy's YAML: layout and comments stay as their author made them."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any, Final

import yaml

from casemate.errors import UsageError

__all__ = ["put"]

_DIGEST: Final = re.compile(r"sha(256|384):[0-9a-f]+\Z")
"""As people write them: in quotes."""


def put(text: str, path: Sequence[str], value: object) -> str:
    """`text` with `value` at `path`, whose every part is the name in a mapping; what is missing on the way is made.

    Errors: UsageError where something on the way is no mapping, or the text is no YAML.
    """
    try:
        node: Any = yaml.compose(text, yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError) as error:
        raise UsageError("the policy file is no YAML", remedy="see: casemate policy check") from error
    for depth, name in enumerate(path):
        if not isinstance(node, yaml.MappingNode):
            raise UsageError(f"in the policy file, {'.'.join(path[:depth]) or 'the whole'} is no mapping")
        inner = next((inner for key, inner in node.value if key.value == name), None)
        if inner is None or (depth < len(path) - 1 and _is_empty(inner)):
            rest = _nested(path[depth + 1 :], value)
            return _inserted(text, node, name, rest) if inner is None else _replaced(text, inner, rest)
        node = inner
    return _replaced(text, node, value)


def _nested(path: Sequence[str], value: object) -> object:
    for name in reversed(path):
        value = {name: value}
    return value


def _is_empty(node: Any) -> bool:
    """A name without a value, or `{}`: there is no place in it for another name."""
    return (isinstance(node, yaml.ScalarNode) and node.value in {"", "null", "~"}) or node.value == []


def _flow(value: object) -> str:
    """In one line."""
    if isinstance(value, str) and _DIGEST.match(value):
        return f'"{value}"'
    said = yaml.safe_dump(value, default_flow_style=True, width=math.inf, sort_keys=False)
    return said.removesuffix("\n").removesuffix("\n...")


def _replaced(text: str, node: Any, value: object) -> str:
    start, end = node.start_mark.index, node.end_mark.index
    before = text[:start]
    if isinstance(node, yaml.CollectionNode) and not node.flow_style:
        # What follows the last value of a block stays, comments too. A list may begin below its name, a flow may not.
        before, end = before + " " * isinstance(node, yaml.SequenceNode), _last_end(node)
    elif start == end:
        before = before.rstrip(" ") + " "
    return f"{before}{_flow(value)}{text[end:]}"


def _last_end(node: Any) -> int:
    """Where the last scalar or flow of a block ends."""
    while isinstance(node, yaml.MappingNode | yaml.SequenceNode) and not node.flow_style and node.value:
        last = node.value[-1]
        node = last[1] if isinstance(last, tuple) else last
    return int(node.end_mark.index)


def _inserted(text: str, mapping: Any, name: str, value: object) -> str:
    """Before its first name; at the end of the text, where the whole document is meant."""
    entry = f"{_flow(name)}: {_flow(value)}"
    if not mapping.flow_style and mapping.start_mark.column == 0:
        end = "" if text.endswith("\n") else "\n"
        return f"{text}{end}{entry}\n"
    if not mapping.value:
        return _replaced(text, mapping, {name: value})
    first = mapping.value[0][0].start_mark
    between = ", " if mapping.flow_style else "\n" + " " * first.column
    return f"{text[: first.index]}{entry}{between}{text[first.index :]}"
