"""A container that runs, and its clients."""

from __future__ import annotations

import socket
import urllib.error
import urllib.request
from dataclasses import dataclass

from casemate.testing.engine import Engine
from casemate.testing.stage import Result, wait_for
from examples.services.service import WorkError

__all__ = ["Running"]

_SECONDS = 60


@dataclass(frozen=True)
class Running:
    """`host` runs `container`, `owner` its clients in containers of the ordinary image."""

    container: str
    port: int
    host: Engine
    owner: Engine
    ordinary: str

    def wait(self) -> None:
        """Until it listens. Errors: WorkError."""
        wait_for(self.container, lambda: self._listens() or not self.is_up(), seconds=_SECONDS)
        if not self.is_up():
            raise WorkError(f"{self.container} ended: {self.logs()[-2000:]}")

    def client(self, *command: str, stdin: str = "") -> str:
        """What it prints, without the last line's end. Errors: WorkError."""
        told = self.try_client(*command, stdin=stdin)
        if told.status:
            raise WorkError(
                f"{' '.join(command)}: {told.status} {told.output}{told.errors}; {self.container} says: "
                f"{self.logs()[-2000:]}"
            )
        return told.output.rstrip("\n")

    def try_client(self, *command: str, stdin: str = "") -> Result:
        """The same, however it ends."""
        program, *arguments = command
        return self.owner.podman(
            "run", "--rm", "--interactive", "--network", "host", "--entrypoint", program, self.ordinary, *arguments,
            stdin=stdin.encode(),
        )  # fmt: skip

    def http(self, path: str, body: bytes | None = None, *, method: str | None = None, kind: str = "") -> bytes:
        """The answer to a GET, to a POST of `body`, or to `method`. `kind`: of the body. Errors: WorkError."""
        url, headers = f"http://127.0.0.1:{self.port}{path}", {"Content-Type": kind} if kind else {}
        request = urllib.request.Request(url, data=body, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
                return bytes(answer.read())
        except (urllib.error.URLError, OSError) as error:
            raise WorkError(f"{path}: {error}; {self.container} says: {self.logs()[-2000:]}") from error

    def is_up(self) -> bool:
        return self.host.podman("inspect", "--format", "{{.State.Running}}", self.container).output.strip() == "true"

    def logs(self) -> str:
        told = self.host.podman("logs", self.container)
        return told.output + told.errors

    def stop(self) -> int:
        """Its exit status."""
        self.host.ask("stop", "--time", "30", self.container)
        return int(self.host.ask("inspect", "--format", "{{.State.ExitCode}}", self.container))

    def _listens(self) -> bool:
        with socket.socket() as tried:
            return tried.connect_ex(("127.0.0.1", self.port)) == 0
