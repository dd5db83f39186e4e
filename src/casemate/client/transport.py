"""One request over HTTP, within limits of size and time. Nothing that comes back is believed here."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import httpx

from casemate.client.addresses import parse_address
from casemate.client.verification import RawAnswer
from casemate.errors import NotGenuineError, UnreachableError

__all__ = ["MAX_ANSWER_BYTES", "Connection"]

MAX_ANSWER_BYTES: Final = 32 * 1024 * 1024
"""A custodian's own manifest is the largest thing that it answers."""

LONGEST_CALL_SECONDS: Final = 60.0
"""From connecting to the last byte. A limit for each read alone would let a trickle go on for ever."""

_TIMEOUT: Final = httpx.Timeout(30, connect=5)


class Connection:
    """To whoever answers at `url`; opened when it is needed, and anew after a failure."""

    def __init__(self, url: str) -> None:
        self._tls = parse_address(url).scheme == "https"
        self._url = url
        self._http: httpx.Client | None = None

    def exchange(self, method: str, target: str, body: bytes, headers: Mapping[str, str]) -> RawAnswer:
        """The answer; `UnreachableError`, or `NotGenuineError` for one without end."""
        sent = {**headers, **({"content-type": "application/json"} if body else {})}
        http = self._opened()
        try:
            with _bounded(http), http.stream(method, target, content=body, headers=sent) as response:
                lower = {name.lower(): value for name, value in response.headers.items()}
                return RawAnswer(response.status_code, lower, _read(response))
        except (httpx.HTTPError, httpx.StreamError, OSError) as error:
            self.close()
            raise UnreachableError(
                f"no custodian answers at {self._url}",
                step="custodian.connect",
                got=str(error) or type(error).__name__,
                remedy="is it running (casemate custodian serve), and is the pinned URL right?",
            ) from error
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        if self._http is not None:
            self._http.close()
            self._http = None

    def _opened(self) -> httpx.Client:
        if self._http is None:
            # What the environment says about proxies is the host's; a redirect leads to nobody who could sign.
            self._http = httpx.Client(
                base_url=self._url, timeout=_TIMEOUT, verify=self._tls, trust_env=False, follow_redirects=False
            )
        return self._http


@contextmanager
def _bounded(http: httpx.Client) -> Iterator[None]:
    timer = threading.Timer(LONGEST_CALL_SECONDS, http.close)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _read(response: httpx.Response) -> bytes:
    """As it came: signatures are over these bytes."""
    parts = bytearray()
    for chunk in response.iter_raw():
        parts += chunk
        if len(parts) > MAX_ANSWER_BYTES:
            raise NotGenuineError("an answer without end", got=f"over {MAX_ANSWER_BYTES} bytes")
    return bytes(parts)
