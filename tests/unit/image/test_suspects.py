"""What looks like a secret."""

from __future__ import annotations

import pytest

from casemate.image.suspects import suspects


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("POSTGRES_PASSWORD", "x"),
        ("db_password", "x"),
        ("PASSWORD", "x"),
        ("API_TOKEN", "x"),
        ("GPG_KEY", "x"),
        ("SECRET_SAUCE", "x"),
        ("AWS_SECRET_ACCESS_KEY", "x"),
        ("DATABASE", "postgresql://user:hunter2@db/records"),
        ("IDENTITY", "-----BEGIN PRIVATE KEY-----"),
        ("SESSION", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln"),
        ("CHECK", "f9b0078b5df596d2ea19010c001bbd009e651de2c57e8fb7e355f31eb9d3f739"),
        ("VALUE", "kq3Zr9xT0vB1nM8wQ4yL2pS7"),
    ],
)
def test_what_looks_like_a_secret_is_one(name: str, value: str) -> None:
    assert name in suspects({name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
        ("POSTGRES_PASSWORD_FILE", "/run/secrets/password"),
        ("PASSWORD", ""),
        ("MONKEY", "business"),
        ("LANG", "C.UTF-8"),
        ("REDIS_DOWNLOAD_SHA256", "f9b0078b5df596d2ea19010c001bbd009e651de2c57e8fb7e355f31eb9d3f739"),
        ("REDIS_DOWNLOAD_URL", "http://download.redis.io/releases/redis-7.2.4.tar.gz"),
        ("NGINX_VERSION", "1.25.3"),
        ("PKG_RELEASE", "1~bookworm"),
        ("JAVA_HOME", "/usr/lib/jvm/java-17-openjdk-amd64"),
        ("GREETING", "the quick brown fox jumps over the lazy dog 1234567890"),
    ],
)
def test_what_images_usually_say_is_none(name: str, value: str) -> None:
    assert suspects({name: value}) == {}
