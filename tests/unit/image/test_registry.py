"""A registry is not believed: what comes is held against digests, and credentials go to nobody else."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casemate.errors import CasemateError, ImageError, ImageRefusedError, ImageTamperedError, UsageError
from casemate.image import oci
from casemate.image.places import Reference
from casemate.image.registry import credentials
from casemate.image.registry.connection import Connection
from casemate.image.transport import open_source, open_target

BLOB = b"layer" * 1000
MANIFEST = json.dumps({"schemaVersion": 2, "config": {}, "layers": []}).encode()
LOGIN = base64.b64encode(b"alice:opensesame").decode()
Answer = tuple[int, dict[str, str], bytes]


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


DESCRIPTOR = oci.Descriptor(media_type=oci.LAYER_TYPE, digest=digest(BLOB), size=len(BLOB))


@dataclass
class Registry:
    """Answers as it is told, and remembers what it was asked."""

    answers: dict[str, Answer | Callable[[dict[str, str]], Answer]] = field(default_factory=dict)
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    host: str = ""

    def serve(self) -> ThreadingHTTPServer:
        registry = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                self.rfile.read(int(self.headers.get("content-length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                registry.asked.append((self.command, self.path, headers))
                said = registry.answers.get(f"{self.command} {self.path.partition('?')[0]}", (404, {}, b""))
                status, sent, body = said(headers) if callable(said) else said
                self.send_response(status)
                for name, value in {"content-length": str(len(body)), **sent}.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            do_GET = do_HEAD = do_PUT = do_POST = answer  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server

    def gives(self, path: str, body: bytes, status: int = 200, **headers: str) -> None:
        said = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answers[f"GET /v2/acme/api/{path}"] = (status, said, body)


@pytest.fixture
def serving() -> Iterator[Callable[[], Registry]]:
    servers = []

    def start() -> Registry:
        registry = Registry()
        servers.append(registry.serve())
        return registry

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def registry(serving: Callable[[], Registry], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Registry:
    registry = serving()
    keys = tmp_path / "auth.json"
    keys.write_text(json.dumps({"auths": {registry.host: {"auth": LOGIN}}}))
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(keys))
    monkeypatch.setattr("casemate.image.registry.connection._pause", lambda _: None)
    registry.gives("manifests/1", MANIFEST, content_type=oci.MANIFEST_TYPE)
    registry.gives(f"blobs/{DESCRIPTOR.digest}", BLOB)
    return registry


def top(registry: Registry, scratch: Path, wanted: str = ":1") -> bytes:
    with open_source(f"docker://{registry.host}/acme/api{wanted}", scratch=scratch) as source:
        return source.top()[1]


def blob(registry: Registry, scratch: Path) -> bytes:
    with open_source(f"docker://{registry.host}/acme/api:1", scratch=scratch) as source:
        return source.blob(DESCRIPTOR).read_bytes()


def test_an_image_is_read(registry: Registry, tmp_path: Path) -> None:
    assert (top(registry, tmp_path), blob(registry, tmp_path)) == (MANIFEST, BLOB)


def test_a_manifest_is_what_its_digest_says(registry: Registry, tmp_path: Path) -> None:
    registry.gives(f"manifests/{digest(b'other')}", MANIFEST, content_type=oci.MANIFEST_TYPE)
    with pytest.raises(ImageTamperedError, match="digest"):
        top(registry, tmp_path, f"@{digest(b'other')}")
    registry.gives("manifests/1", MANIFEST, content_type=oci.MANIFEST_TYPE, docker_content_digest=digest(b"other"))
    with pytest.raises(ImageTamperedError, match="digest"):
        top(registry, tmp_path)
    other = oci.Descriptor(media_type=oci.MANIFEST_TYPE, digest=digest(b"other"), size=5)
    with (
        open_source(f"docker://{registry.host}/acme/api:1", scratch=tmp_path) as source,
        pytest.raises(ImageTamperedError, match="digest"),
    ):
        source.manifest(other)


@pytest.mark.parametrize(
    ("sent", "why"),
    [(BLOB[:-1], "digest"), (BLOB + b"x", "longer"), (BLOB[:-1] + b"x", "digest"), (b"", "digest")],
)
def test_a_blob_is_what_its_digest_says(registry: Registry, sent: bytes, why: str, tmp_path: Path) -> None:
    registry.gives(f"blobs/{DESCRIPTOR.digest}", sent)
    with pytest.raises(ImageTamperedError, match=why):
        blob(registry, tmp_path)
    assert not list(tmp_path.rglob(DESCRIPTOR.digest.removeprefix("sha256:") + "*"))


def test_what_has_no_end_or_is_no_image_is_refused(registry: Registry, tmp_path: Path) -> None:
    registry.gives("manifests/1", b" " * (oci.MAX_DOCUMENT_BYTES + 1), content_type=oci.MANIFEST_TYPE)
    with pytest.raises(ImageRefusedError, match="no end"):
        top(registry, tmp_path)
    registry.gives("manifests/1", MANIFEST, content_type="text/html")
    with pytest.raises(ImageRefusedError, match="no image"):
        top(registry, tmp_path)
    with pytest.raises(ImageError, match="does not give the image"):
        top(registry, tmp_path, ":2")


def basic(headers: dict[str, str]) -> Answer:
    if headers.get("authorization") == f"Basic {LOGIN}":
        return 200, {"content-type": oci.MANIFEST_TYPE}, MANIFEST
    return 401, {"www-authenticate": 'Basic realm="x"'}, b""


def test_credentials_are_said_to_whoever_asks_for_them_and_to_no_other(
    registry: Registry, serving: Callable[[], Registry], tmp_path: Path
) -> None:
    registry.answers["GET /v2/acme/api/manifests/1"] = basic
    assert top(registry, tmp_path) == MANIFEST
    assert "authorization" not in registry.asked[0][2]
    elsewhere = serving()
    elsewhere.gives("blob", BLOB)
    registry.gives(f"blobs/{DESCRIPTOR.digest}", b"", 307, location=f"http://{elsewhere.host}/v2/acme/api/blob")
    with open_source(f"docker://{registry.host}/acme/api:1", scratch=tmp_path / "2") as source:
        source.top()
        assert source.blob(DESCRIPTOR).read_bytes() == BLOB
    assert registry.asked[-1][2]["authorization"] == f"Basic {LOGIN}"
    assert "authorization" not in elsewhere.asked[-1][2]


def test_whoever_a_redirect_leads_to_is_told_nothing(
    registry: Registry, serving: Callable[[], Registry], tmp_path: Path
) -> None:
    """Not what is said here, and not to a token service of theirs."""
    elsewhere = serving()
    for challenge in ("Basic", f'Bearer realm="http://{elsewhere.host}/token"'):
        elsewhere.answers["GET /blob"] = (401, {"www-authenticate": challenge}, b"")
        registry.gives(f"blobs/{DESCRIPTOR.digest}", b"", 307, location=f"http://{elsewhere.host}/blob")
        with pytest.raises(ImageError, match="lacks a part"):
            blob(registry, tmp_path)
    assert [asked[:2] for asked in elsewhere.asked] == [("GET", "/blob")] * 2
    assert not any("authorization" in asked[2] for asked in elsewhere.asked)


def test_a_token_is_fetched_where_the_registry_says(registry: Registry, tmp_path: Path) -> None:
    def guarded(headers: dict[str, str]) -> Answer:
        if headers.get("authorization") == "Bearer secret-token":
            return 200, {"content-type": oci.MANIFEST_TYPE}, MANIFEST
        realm = f'Bearer realm="http://{registry.host}/token",service="s",scope="repository:acme/api:pull"'
        return 401, {"www-authenticate": realm}, b""

    registry.answers["GET /v2/acme/api/manifests/1"] = guarded
    registry.answers["GET /token"] = (200, {}, b'{"token": "secret-token"}')
    assert top(registry, tmp_path) == MANIFEST
    method, path, headers = registry.asked[1]
    assert (method, headers["authorization"]) == ("GET", f"Basic {LOGIN}")
    assert path == "/token?scope=repository%3Aacme%2Fapi%3Apull&service=s"


@pytest.mark.parametrize(
    "token",
    [
        b"",
        b"[]",
        b"null",
        b'{"token": 1}',
        b'{"token": ["a"]}',
        b'{"token": "a\\nb"}',
        b'{"token": "a b"}',
        b'{"token": "\xc3\xbc"}',
        b'{"token": "' + b"a" * 70_000 + b'"}',
        b"{" * 300_000,
        b"[" * 200_000,
        b'{"token": "\xff"}',
    ],
    ids=range(12),
)
def test_what_is_no_token_is_refused(registry: Registry, token: bytes, tmp_path: Path) -> None:
    challenge = {"www-authenticate": f'Bearer realm="http://{registry.host}/token"'}
    registry.answers["GET /v2/acme/api/manifests/1"] = (401, challenge, b"")
    registry.answers["GET /token"] = (200, {}, token)
    with pytest.raises(ImageError):
        top(registry, tmp_path)


def test_somebody_unknown_is_told_to_log_in(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("REGISTRY_AUTH_FILE", "HOME", "XDG_RUNTIME_DIR", "DOCKER_CONFIG", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "nothing"))
    registry.answers["GET /v2/acme/api/manifests/1"] = basic
    with pytest.raises(ImageError, match="who asks") as refused:
        top(registry, tmp_path)
    assert "podman login" in str(refused.value.remedy)


def test_redirects_end(registry: Registry, tmp_path: Path) -> None:
    here = f"http://{registry.host}/v2/acme/api/manifests/1"
    registry.gives("manifests/1", b"", 307, location=here)
    with pytest.raises(ImageRefusedError, match="from place to place"):
        top(registry, tmp_path)
    assert len(registry.asked) == 5


def test_a_blob_that_is_elsewhere_is_there(registry: Registry, serving: Callable[[], Registry], tmp_path: Path) -> None:
    """A registry that keeps blobs at another place leads there whoever asks whether it has one."""
    elsewhere = serving()
    elsewhere.answers["HEAD /blob"] = (200, {"content-length": str(len(BLOB))}, b"")
    for path, there in ((f"http://{elsewhere.host}/blob", True), (f"http://{elsewhere.host}/none", False)):
        registry.answers[f"HEAD /v2/acme/api/blobs/{DESCRIPTOR.digest}"] = (307, {"location": path}, b"")
        with open_target(f"docker://{registry.host}/acme/api:1", scratch=tmp_path) as target:
            assert target.has(DESCRIPTOR) is there
    assert elsewhere.asked[0][0] == "HEAD"


@pytest.mark.parametrize(
    "location", ["http://[", "http://\xff:x/", "http://xn--a/", "//\x7f", "http://localhost:99999999/"]
)
def test_a_redirect_to_nowhere_is_refused(registry: Registry, location: str, tmp_path: Path) -> None:
    registry.gives("manifests/1", b"", 307, location=location)
    with pytest.raises(ImageError):
        top(registry, tmp_path)


def cut(times: int, body: bytes) -> Callable[[dict[str, str]], Answer]:
    """An answer that promises more than it sends, so many times."""
    counts = [0]

    def answer(_: dict[str, str]) -> Answer:
        counts[0] += 1
        if counts[0] > times:
            return 200, {"content-type": oci.MANIFEST_TYPE}, body
        return 200, {"content-length": str(len(body)), "connection": "close"}, body[: len(body) // 2]

    return answer


def test_what_is_cut_off_is_fetched_again(registry: Registry, tmp_path: Path) -> None:
    registry.answers[f"GET /v2/acme/api/blobs/{DESCRIPTOR.digest}"] = cut(2, BLOB)
    assert blob(registry, tmp_path) == BLOB
    registry.answers[f"GET /v2/acme/api/blobs/{DESCRIPTOR.digest}"] = cut(3, BLOB)
    with pytest.raises(ImageError, match="does not answer"):
        blob(registry, tmp_path / "2")
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.name.endswith(".part")]


def test_a_manifest_is_what_its_index_says(registry: Registry, tmp_path: Path) -> None:
    registry.gives(f"manifests/{digest(MANIFEST)}", MANIFEST, content_type=oci.INDEX_TYPE)
    said = oci.Descriptor(media_type=oci.MANIFEST_TYPE, digest=digest(MANIFEST), size=len(MANIFEST))
    with open_source(f"docker://{registry.host}/acme/api:1", scratch=tmp_path) as source:
        with pytest.raises(ImageRefusedError, match="something else than its index says"):
            source.manifest(said)
        with pytest.raises(ImageTamperedError, match="digest"):
            source.manifest(said.model_copy(update={"size": 5}))
        with pytest.raises(ImageRefusedError, match="too large"):
            source.manifest(said.model_copy(update={"size": oci.MAX_DOCUMENT_BYTES + 1}))
        with pytest.raises(ImageRefusedError, match="too large"):
            source.content(said, len(MANIFEST) - 1)
    assert not [path for method, path, _ in registry.asked if "blobs" in path], "a large one is not fetched"


def test_one_digest_under_two_sizes_is_one_blob(registry: Registry, tmp_path: Path) -> None:
    with open_source(f"docker://{registry.host}/acme/api:1", scratch=tmp_path) as source:
        assert source.blob(DESCRIPTOR).read_bytes() == BLOB
        for size in (DESCRIPTOR.size - 1, DESCRIPTOR.size + 1):
            with pytest.raises(ImageTamperedError):
                source.blob(DESCRIPTOR.model_copy(update={"size": size}))


def test_a_digest_by_another_hash_is_said_to_be_one(registry: Registry, tmp_path: Path) -> None:
    registry.gives("manifests/1", MANIFEST, content_type=oci.MANIFEST_TYPE, docker_content_digest="sha512:" + "0" * 128)
    with pytest.raises(ImageRefusedError, match="another hash than sha256"):
        top(registry, tmp_path)


WORDS = [
    "Bearer realm=",
    "basic ",
    '"',
    ",",
    "scope=",
    "http://",
    "https:",
    "//",
    "[",
    "]",
    ":",
    "/",
    "a",
    "\x85",
    "\xff",
    "0",
    "@",
    "%",
]


@pytest.mark.parametrize("host", ["[1]:0", "xn--a.example", "xn--a:1"])
def test_a_name_that_no_registry_can_have_is_refused(host: str, tmp_path: Path) -> None:
    with (
        pytest.raises(UsageError, match="no registry can have"),
        open_source(f"docker://{host}/acme/api:1", scratch=tmp_path),
    ):
        pass


TEXT = st.lists(st.sampled_from(WORDS), max_size=8).map("".join)


@given(challenge=TEXT, location=TEXT)
def test_any_header_leads_on_or_to_our_own_error(challenge: str, location: str) -> None:
    connection = Connection(Reference("127.0.0.1:1", "a", "1"), None)
    with suppress(CasemateError):
        connection.beside(location, connection.url("blobs/x"))
    with suppress(CasemateError):
        connection._answer(challenge, "GET")
    connection.close()


@given(
    st.binary(max_size=60)
    | st.sampled_from([b"[" * 10_000, b'{"auths": [1]}', b'{"auths": {"r.example": {"auth": "\xc3"}}}'])
)
def test_any_file_is_credentials_or_our_own_error(data: bytes) -> None:
    with TemporaryDirectory() as folder, suppress(CasemateError):
        (Path(folder) / "auth.json").write_bytes(data)
        said = {"REGISTRY_AUTH_FILE": f"{folder}/auth.json", "HOME": folder}
        credentials.find(Reference("r.example", "a", "1"), said)


def test_a_registry_that_is_far_leads_to_nobody_in_the_clear() -> None:
    connection = Connection(Reference("r.example", "acme/api", "1"), None)
    with pytest.raises(ImageRefusedError, match="nobody encrypts"):
        connection.beside("http://r.example/elsewhere", connection.url("blobs/x"))
    assert connection.url("blobs/x").scheme == "https"
    connection.close()
    here = Connection(Reference("localhost:5000", "acme/api", "1"), None)
    with pytest.raises(ImageRefusedError, match="nobody encrypts"):
        here.beside("http://r.example/token", here.url("blobs/x"))
    here.close()


def test_a_busy_registry_is_asked_again_and_a_change_is_not_sent_twice(registry: Registry, tmp_path: Path) -> None:
    counts = [0]

    def busy(_: dict[str, str]) -> Answer:
        counts[0] += 1
        return (503, {}, b"") if counts[0] < 3 else (200, {}, BLOB)

    registry.answers[f"GET /v2/acme/api/blobs/{DESCRIPTOR.digest}"] = busy
    assert blob(registry, tmp_path) == BLOB
    layer = tmp_path / "layer"
    layer.write_bytes(BLOB)
    with (
        open_target(f"docker://{registry.host}/acme/api:1", scratch=tmp_path) as target,
        pytest.raises(ImageError, match="takes no layer"),
    ):
        target.put_blob(layer, DESCRIPTOR)
    assert [asked[0] for asked in registry.asked[-2:]] == ["HEAD", "POST"]


def test_a_name_by_digest_is_that_image_or_none(registry: Registry, tmp_path: Path) -> None:
    wanted = digest(b"another")
    registry.answers[f"PUT /v2/acme/api/manifests/{digest(MANIFEST)}"] = (201, {}, b"")
    with (
        open_target(f"docker://{registry.host}/acme/api@{wanted}", scratch=tmp_path) as target,
        pytest.raises(UsageError, match="another one"),
    ):
        target.finish(target.put_manifest(MANIFEST, oci.MANIFEST_TYPE))


@pytest.mark.parametrize("auth", ["!", base64.b64encode(b"nocolon").decode(), base64.b64encode(b"\xff:").decode()])
def test_credentials_that_are_none_are_named_by_their_file(auth: str, tmp_path: Path) -> None:
    keys = tmp_path / "auth.json"
    keys.write_text(json.dumps({"auths": {"r.example": {"auth": auth}}}))
    with pytest.raises(UsageError, match=r"auth\.json"):
        credentials.find(Reference("r.example", "a", "1"), {"REGISTRY_AUTH_FILE": str(keys), "HOME": str(tmp_path)})


def test_the_most_particular_credentials_are_taken(tmp_path: Path) -> None:
    keys = tmp_path / ".docker" / "config.json"
    keys.parent.mkdir()
    said = {name: {"auth": base64.b64encode(f"{name}:x".encode()).decode()} for name in ("r.example", "r.example/acme")}
    keys.write_text(json.dumps({"auths": said}))
    found = [credentials.find(Reference("r.example", name, "1"), {"HOME": str(tmp_path)}) for name in ("acme/api", "b")]
    assert [one.user for one in found if one] == ["r.example/acme", "r.example"]
    assert credentials.find(Reference("r2.example", "a", "1"), {"HOME": str(tmp_path)}) is None
