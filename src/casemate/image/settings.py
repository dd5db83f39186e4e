"""What an image's configuration says about how it is started (OCI image specification, "Image JSON", `config`)."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from casemate.errors import ImageRefusedError
from casemate.image.health import Check

__all__ = ["DEFAULT_PATH", "Settings"]

DEFAULT_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""What container engines set where the image sets none."""


@dataclass(frozen=True)
class Settings:
    """As the configuration has them; nothing is looked up yet."""

    environment: dict[str, str] = field(default_factory=dict, repr=False)
    entrypoint: Sequence[str] = ()
    arguments: Sequence[str] = ()
    user: str = ""
    working_directory: str = "/"
    volumes: Sequence[str] = ()
    health: Check | None = None

    @classmethod
    def read(
        cls,
        *,
        env: Sequence[str],
        entrypoint: Sequence[str],
        cmd: Sequence[str],
        user: str,
        working_dir: str,
        volumes: Sequence[str],
        health: Check | None = None,
    ) -> Settings:
        """Errors: ImageRefusedError for what starts nothing, or cannot be meant."""
        command = [*entrypoint, *cmd]
        if not command:
            raise ImageRefusedError(
                "the image says no program to start",
                step="image.command",
                remedy="give it an entry point or a command, and build it again",
            )
        return cls(
            environment=_environment(env),
            entrypoint=command[: max(len(entrypoint), 1)],
            arguments=command[max(len(entrypoint), 1) :],
            user=user,
            working_directory=_folder(working_dir or "/", "working directory"),
            volumes=_outermost([_folder(path, "volume") for path in volumes]),
            health=health,
        )

    @property
    def search_path(self) -> str:
        return self.environment.get("PATH") or DEFAULT_PATH

    def candidates(self) -> list[str]:
        """Where the program could be, in the order in which an engine looks (execvp(3))."""
        return self._places_of(self.entrypoint[0])

    def check_candidates(self) -> list[str]:
        """Where the program of the health check could be; empty where there is none."""
        return self._places_of(self.health.command[0]) if self.health is not None else []

    def _places_of(self, name: str) -> list[str]:
        if "/" in name:
            return [_normal(posixpath.join(self.working_directory, name))]
        folders = [posixpath.join(self.working_directory, folder) for folder in self.search_path.split(":")]
        return [_normal(posixpath.join(folder, name)) for folder in folders]


def _environment(env: Sequence[str]) -> dict[str, str]:
    """The last one counts where a name comes twice, as in container engines."""
    found: dict[str, str] = {}
    for text in env:
        name, mark, value = text.partition("=")
        if not mark or not name:
            raise ImageRefusedError("the image has a variable without a name or a value", step="image.environment")
        found[name] = value
    return found


def _folder(path: str, what: str) -> str:
    if not path.startswith("/"):
        raise ImageRefusedError(f"the image's {what} is not absolute", step="image.paths", got=path[:200])
    return _normal(path)


def _normal(path: str) -> str:
    normal = posixpath.normpath(path)
    # POSIX lets two slashes at the beginning mean something else; here they mean nothing.
    return "/" + normal.lstrip("/")


def _outermost(paths: Sequence[str]) -> list[str]:
    """A folder in memory inside another one would hide nothing: the outer one has it."""
    return [
        path for path in sorted(set(paths)) if not any(path.startswith(other + "/") for other in paths if other != path)
    ]
