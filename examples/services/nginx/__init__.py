"""nginx as its image starts everywhere: a master as root, workers as www-data."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Final

from examples.services.running import Running
from examples.services.service import Service, expect

__all__ = ["SERVICE"]

_PAGE: Final = (Service.folder("nginx") / "site" / "index.html").read_bytes()
_UPLOADED: Final = b"an x-ray of the left hand\n" * 20_000
_RIGHTS: Final = ("chown", "dac_override", "setuid", "setgid", "net_bind_service")
_AT_ONCE, _REQUESTS = 16, 200


def _use(nginx: Running) -> None:
    with ThreadPoolExecutor(_AT_ONCE) as many:
        pages = list(many.map(lambda _: nginx.http("/"), range(_REQUESTS)))
    expect("pages", pages.count(_PAGE), _REQUESTS)
    nginx.http("/upload/x-ray", _UPLOADED, method="PUT")
    expect("what a worker stored", nginx.http("/upload/x-ray"), _UPLOADED)
    expect("health", nginx.http("/health"), b"up\n")


SERVICE = Service(
    "nginx",
    _use,
    hidden=(b"ask for the night nurse", b"create_full_put_path", b"fastcgi_params"),
    written=(_UPLOADED[:25],),
    options=[word for right in _RIGHTS for word in ("--capability", right)],
)
