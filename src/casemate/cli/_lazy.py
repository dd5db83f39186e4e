"""Commands that are imported when they are asked for: what one command needs does not slow down the others."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any

import typer
import typer.main
from typer.core import TyperCommand, TyperGroup

__all__ = ["lazy"]


def lazy(commands: Mapping[str, str]) -> type[TyperGroup]:
    """A kind of group with `commands`: name → `module:function`. For `typer.Typer(cls=…)`."""

    class LazyGroup(TyperGroup):
        def __init__(self, **attributes: Any) -> None:
            super().__init__(**attributes)
            self.commands = _Commands(commands, self.commands)

        def list_commands(self, ctx: object) -> list[str]:  # noqa: ARG002 - typer's signature
            return list(self.commands)

    return LazyGroup


class _Commands(MutableMapping[str, Any]):
    """Typer's commands by name; listing the names loads none of them. `ready` are those that need no loading."""

    def __init__(self, places: Mapping[str, str], ready: Mapping[str, Any]) -> None:
        self._places = dict(places)
        self._ready = dict(ready)

    def __getitem__(self, name: str) -> Any:
        if name not in self._ready:
            self._ready[name] = _load(name, self._places[name])
        return self._ready[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._ready[name] = command

    def __delitem__(self, name: str) -> None:
        self._ready.pop(name, None)
        self._places.pop(name, None)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys((*self._places, *self._ready)))

    def __len__(self) -> int:
        return len({*self._places, *self._ready})


def _load(name: str, place: str) -> Any:
    module, _, function = place.partition(":")
    alone = typer.Typer(add_completion=False, rich_markup_mode="markdown")
    alone.command(name, cls=_OnceCommand)(getattr(importlib.import_module(module), function))
    return typer.main.get_command(alone)


class _OnceCommand(TyperCommand):
    """Refuses an option that is given twice, where only one can count: nobody is to guess which."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not ctx.resilient_parsing:
            _, _, given = self.make_parser(ctx).parse_args(args=list(args))
            for option in given:
                if given.count(option) > 1 and option.param_type_name == "option" and not _repeatable(option):
                    ctx.fail(f"{'/'.join(option.opts)} is given twice")
        return super().parse_args(ctx, args)


def _repeatable(option: Any) -> bool:
    return bool(option.multiple or option.is_flag or option.count)
