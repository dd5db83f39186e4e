"""A container that runs, and its clients."""

from __future__ import annotations

import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING

from casemate.testing.engine import Engine, children
from casemate.testing.stage import Result, listens, wait_for
from examples.services.service import WorkError

if TYPE_CHECKING:
    from examples.services.hosted import Hosted

__all__ = ["Running"]

_SECONDS = 120
_MINUTES = 5 * 60


@dataclass(frozen=True)
class Running:
    """The attacker's engine runs `container`, the owner's runs its clients, in containers of the ordinary image."""

    container: str
    hosted: Hosted

    @property
    def port(self) -> int:
        return self.hosted.port

    @property
    def host(self) -> Engine:
        return self.hosted.place.host

    def wait_until_it_works(self) -> None:
        """A job: until it has what it needs of its custodian, or ended."""
        wait_for(self.container, lambda: self._has_workload() or not self.is_up(), seconds=_SECONDS)

    def _has_workload(self) -> bool:
        """Whether the first process of the domain, a child of the shield, has a child of its own."""
        shield = self.host.podman("inspect", "--format", "{{.State.Pid}}", self.container).output.strip()
        return any(children(first) for first in children(shield))

    def wait(self) -> None:
        """Until it listens. Errors: WorkError."""
        wait_for(self.container, lambda: listens(self.port) or not self.is_up(), seconds=_SECONDS)
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
        return self.hosted.place.owner.podman(
            "run", "--rm", "--interactive", "--network", "host", "--entrypoint", program, self.hosted.ordinary,
            *arguments, stdin=stdin.encode(),
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

    def end(self) -> int:
        """Waits for a job; its exit status."""
        return int(self.host.ask("wait", self.container, seconds=_MINUTES))

    def finish(self) -> int:
        """Stops a service, waits for a job; the exit status."""
        return self.stop() if self.hosted.service.listens else self.end()

    def stop(self) -> int:
        """Its exit status."""
        self.host.ask("stop", "--time", "30", self.container)
        return int(self.host.ask("inspect", "--format", "{{.State.ExitCode}}", self.container))
