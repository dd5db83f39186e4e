"""Requests to one registry: over TLS unless it is on this machine, with the credentials that it asks for.

What comes is not believed here. Credentials and tokens go to the registry, and to the token service that it names over
TLS; never to where a redirect leads.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, TypeVar

import httpx

from casemate.errors import ImageError, ImageRefusedError, UsageError
from casemate.image.oci import decode
from casemate.image.places import Reference
from casemate.image.registry.credentials import Credentials

__all__ = ["Answer", "Body", "Connection", "limited"]

_TIMEOUT: Final = httpx.Timeout(60, connect=10)
_TRIES: Final = 3
_REDIRECTS: Final = 5
MAX_WORDS: Final = 256 * 1024
"""Of an answer that is no blob and no manifest."""
_BUSY: Final = frozenset({429, 500, 502, 503, 504})
_PARAMETER: Final = re.compile(r'([a-z_]+)="([^"]{0,2000})"')

_TOKEN: Final = re.compile(r"[\x21-\x7e]{1,65536}")
"""What may stand in a header (RFC 6750 allows less)."""

T = TypeVar("T")
Body = Callable[[], Iterator[bytes]]


@dataclass(frozen=True)
class Answer:
    status: int
    headers: httpx.Headers
    body: bytes

    def refused(self, what: str) -> ImageError:
        """In the registry's own words, where it has some."""
        words = self.body[:300].decode(errors="replace")
        shown = "".join(letter if letter.isprintable() else " " for letter in words)
        return ImageError(what, step="image.registry", got=f"{self.status} {shown}".strip())


class Connection:
    """Errors of every call: ImageError, ImageRefusedError; UsageError for a name that is none."""

    def __init__(self, reference: Reference, credentials: Credentials | None) -> None:
        self._scheme = "http" if reference.is_local else "https"
        base = _address(lambda: httpx.URL(f"{self._scheme}://{reference.host}"))
        if base is None:
            raise UsageError("no registry can have this name", got=reference.host)
        self._base = base
        self._reference = reference
        self._credentials = credentials
        self._authorization: str | None = None
        # What the environment says about proxies and certificates is not asked for; digests are of bytes as they come.
        self._http = httpx.Client(
            timeout=_TIMEOUT, follow_redirects=False, trust_env=False, headers={"accept-encoding": "identity"}
        )

    def close(self) -> None:
        self._http.close()

    def url(self, path: str) -> httpx.URL:
        """Of this repository."""
        return self._base.join(f"/v2/{self._reference.name}/{path}")

    def beside(self, location: str, before: httpx.URL) -> httpx.URL:
        """Where the registry says to go on."""
        url = _address(lambda: before.join(location))
        if url is None:
            raise _nowhere(location)
        in_the_clear = self._scheme == "http" and Reference(url.netloc.decode(), "", "").is_local
        if url.scheme != "https" and not (url.scheme == "http" and in_the_clear):
            raise ImageRefusedError(
                "the registry leads to where nobody encrypts", step="image.redirect", got=str(url)[:200]
            )
        return url

    def get(self, url: httpx.URL, take: Callable[[httpx.Response], T], headers: Mapping[str, str] | None = None) -> T:
        """What `take` makes of an answer, whose body is still to be read. One that is cut off is asked for again."""
        for left in reversed(range(_TRIES)):
            try:
                with self._followed("GET", url, dict(headers or {})) as response:
                    return take(response)
            except (httpx.TransportError, httpx.StreamError) as error:
                if left == 0:
                    raise self._unreachable(error) from error
            _pause(left)
        raise AssertionError("the last try returns or raises")

    def head(self, url: httpx.URL) -> Answer:
        """An answer without a body."""
        with self._followed("HEAD", url, {}) as response:
            return Answer(response.status_code, response.headers, b"")

    @contextmanager
    def _followed(self, method: str, url: httpx.URL, headers: dict[str, str]) -> Iterator[httpx.Response]:
        """From redirect to redirect, up to an answer."""
        for _ in range(_REDIRECTS):
            with self._stream(method, url, headers, None) as response:
                if not response.has_redirect_location:
                    yield response
                    return
                url = self.beside(response.headers["location"], url)
        raise ImageRefusedError("the registry leads from place to place", step="image.redirect")

    def send(
        self, method: str, url: httpx.URL, headers: Mapping[str, str] | None = None, body: Body | None = None
    ) -> Answer:
        """A short answer; `body` is asked anew for each try."""
        try:
            with self._stream(method, url, dict(headers or {}), body) as response:
                return Answer(response.status_code, response.headers, limited(response, MAX_WORDS))
        except (httpx.TransportError, httpx.StreamError) as error:
            raise self._unreachable(error) from error

    @contextmanager
    def _stream(
        self, method: str, url: httpx.URL, headers: dict[str, str], body: Body | None
    ) -> Iterator[httpx.Response]:
        response = self._try(method, url, headers, body)
        try:
            if response.status_code == httpx.codes.UNAUTHORIZED and self._is_own(url):
                challenge = response.headers.get("www-authenticate", "")
                response.close()
                self._authorization = self._answer(challenge, method)
                response = self._try(method, url, headers, body)
            yield response
        finally:
            response.close()

    def _try(self, method: str, url: httpx.URL, headers: dict[str, str], body: Body | None) -> httpx.Response:
        if self._authorization is not None and self._is_own(url):
            headers = {**headers, "authorization": self._authorization}
        for left in reversed(range(_TRIES)):
            request = self._http.build_request(method, url, headers=headers, content=body() if body else None)
            try:
                response = self._http.send(request, stream=True)
            except UnicodeError as error:
                # The client looks ahead to where a redirect leads.
                raise _nowhere("") from error
            except (httpx.HTTPError, OSError) as error:
                # What changes something is not sent a second time.
                if left == 0 or method not in {"GET", "HEAD"}:
                    raise self._unreachable(error) from error
            else:
                if response.status_code not in _BUSY or left == 0:
                    return response
                response.close()
            _pause(left)
        raise AssertionError("the last try returns or raises")

    def _is_own(self, url: httpx.URL) -> bool:
        return (url.scheme, url.host, url.port) == (self._base.scheme, self._base.host, self._base.port)

    def _answer(self, challenge: str, method: str) -> str:
        """What to say to a challenge (RFC 9110, 11.6.1; the distribution specification's token service)."""
        scheme, _, rest = challenge.partition(" ")
        if scheme.lower() == "basic" and self._credentials is not None:
            return _basic(self._credentials)
        said = dict(_PARAMETER.findall(rest))
        if scheme.lower() == "bearer" and "realm" in said:
            return f"Bearer {self._token(said, method)}"
        raise ImageError(
            f"{self._reference.host} wants to know who asks", step="image.login",
            remedy=f"log in: podman login {self._reference.host} (skopeo login, docker login)",
        )  # fmt: skip

    def _token(self, said: Mapping[str, str], method: str) -> str:
        url = self.beside(said["realm"], self._base)
        wanted = "pull" if method in {"GET", "HEAD"} else "pull,push"
        query = {"scope": said.get("scope") or f"repository:{self._reference.name}:{wanted}"}
        if "service" in said:
            query["service"] = said["service"]
        headers = {"authorization": _basic(self._credentials)} if self._credentials is not None else {}
        try:
            with self._http.stream("GET", url.copy_merge_params(query), headers=headers) as response:
                answer = decode(limited(response, MAX_WORDS))
                said_token = answer.get("token") or answer.get("access_token")
                if response.status_code == httpx.codes.OK and _TOKEN.fullmatch(said_token):
                    return str(said_token)
        except (httpx.HTTPError, OSError) as error:
            raise self._unreachable(error) from error
        except (ValueError, AttributeError, TypeError):
            # It says no token.
            pass
        raise ImageError(
            f"{self._reference.host} does not let this account in", step="image.login",
            remedy=f"is the name of the image right? log in again: podman login {self._reference.host}",
        )  # fmt: skip

    def _unreachable(self, error: Exception) -> ImageError:
        return ImageError(
            f"{self._reference.host} does not answer", step="image.registry",
            got=str(error)[:300] or type(error).__name__, remedy="is the name right, and does the registry run?",
        )  # fmt: skip


def _address(make: Callable[[], httpx.URL]) -> httpx.URL | None:
    """None for what is no address. Whether a name of other letters (IDNA) is one, shows when it is asked for."""
    try:
        url = make()
        return url if url.host else None
    except (httpx.InvalidURL, ValueError):
        return None


def _nowhere(location: str) -> ImageRefusedError:
    return ImageRefusedError("the registry leads to nowhere", step="image.redirect", got=location[:200] or None)


def _pause(left: int) -> None:
    """The longer, the fewer tries are left."""
    time.sleep(2.0 ** (_TRIES - left) / 4)


def limited(response: httpx.Response, limit: int) -> bytes:
    """A body of at most so many bytes, as it came. Errors: ImageRefusedError."""
    parts = bytearray()
    for chunk in response.iter_raw():
        parts += chunk
        if len(parts) > limit:
            raise ImageRefusedError("the registry's answer has no end", step="image.registry")
    return bytes(parts)


def _basic(credentials: Credentials) -> str:
    auth = httpx.BasicAuth(credentials.user, credentials.password)
    request = next(auth.sync_auth_flow(httpx.Request("GET", "http://localhost")))
    return request.headers["authorization"]
