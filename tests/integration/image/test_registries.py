"""Against a real registry, and beside skopeo: what others write is read, what is written others read."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from casemate.errors import ImageError
from casemate.testing.images import archive, copied, member, write_image
from casemate.testing.registry import MISSING_REGISTRY, registry_is_there
from casemate.testing.registry import registry as started

SKOPEO = shutil.which("skopeo")
needs_server = pytest.mark.skipif(not registry_is_there(), reason=MISSING_REGISTRY)
needs_skopeo = pytest.mark.skipif(SKOPEO is None, reason="skopeo is not installed")

# "opensesame", by bcrypt with the least work.
PASSWORDS = "alice:$2b$05$abcdefghijklmnopqrstuuQbLfdQZSxZ9gjhA5V9o8Tyc6aQRO0Qi\n"
BASE = archive(member("base", bytes(range(256)) * 4096))


@pytest.fixture
def registry(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """`HOST:PORT` of one that keeps nothing."""
    guarded = getattr(request, "param", None) == "guarded"
    with started(tmp_path / "registry", passwords=PASSWORDS if guarded else None) as server:
        yield server.address


def image(tmp_path: Path, tag: str) -> str:
    write_image(tmp_path / "layout", tag, [BASE, archive(member(f"top-{tag}"))], {"Cmd": ["/base"]})
    return f"oci:{tmp_path}/layout:{tag}"


@needs_server
def test_an_image_comes_back_and_unchanged_layers_are_not_sent_again(registry: str, tmp_path: Path) -> None:
    first = copied(image(tmp_path, "1"), f"docker://{registry}/acme/api:1", tmp_path / "a")
    assert first[1] == 3
    assert copied(image(tmp_path, "1"), f"docker://{registry}/acme/api:1", tmp_path / "b") == (first[0], 0)
    assert copied(image(tmp_path, "2"), f"docker://{registry}/acme/api:2", tmp_path / "c")[1] == 2
    back = copied(f"docker://{registry}/acme/api:1", f"oci:{tmp_path}/back:1", tmp_path / "d")
    assert back == (first[0], 3)
    assert copied(f"docker://{registry}/acme/api@{first[0]}", f"oci:{tmp_path}/back:2", tmp_path / "e") == (first[0], 0)


@needs_server
@pytest.mark.parametrize("registry", ["guarded"], indirect=True)
def test_a_guarded_registry_lets_in_who_logged_in(
    registry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = tmp_path / "auth.json"
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(keys))
    monkeypatch.setenv("HOME", str(tmp_path))
    source, target = image(tmp_path, "1"), f"docker://{registry}/acme/api:1"
    with pytest.raises(ImageError, match="who asks"):
        copied(source, target, tmp_path / "a")
    for password, is_right in (("wrong", False), ("opensesame", True)):
        auth = base64.b64encode(f"alice:{password}".encode()).decode()
        keys.write_text(json.dumps({"auths": {registry: {"auth": auth}}}))
        if is_right:
            assert copied(source, target, tmp_path / password)[1] == 3
        else:
            with pytest.raises(ImageError):
                copied(source, target, tmp_path / password)


@needs_server
@needs_skopeo
def test_skopeo_reads_what_is_written_and_writes_what_is_read(registry: str, tmp_path: Path) -> None:
    digest, _ = copied(image(tmp_path, "1"), f"docker://{registry}/acme/api:1", tmp_path / "a")
    forms = [f"oci:{tmp_path}/o:1", f"oci-archive:{tmp_path}/o.tar:1", f"docker-archive:{tmp_path}/d.tar:acme/api:1"]
    for number, form in enumerate(forms):
        _skopeo(f"docker://{registry}/acme/api:1", form)
        assert copied(form, f"docker://{registry}/acme/back{number}:1", tmp_path / f"b{number}")[1] >= 1
    for number, form in enumerate([f"oci-archive:{tmp_path}/p.tar:1", f"docker-archive:{tmp_path}/q.tar:acme/api:1"]):
        copied(f"docker://{registry}/acme/api@{digest}", form, tmp_path / f"c{number}")
        _skopeo(form, f"oci:{tmp_path}/read-{number}:1")


def _skopeo(source: str, target: str) -> None:
    command = ["skopeo", "copy", "--quiet", "--insecure-policy", "--src-tls-verify=false", source, target]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
