"""A Python service, Flask under gunicorn with two workers that share a file of SQLite."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from examples.services.running import Running
from examples.services.service import Service, expect

__all__ = ["SERVICE"]

_PATIENT: Final = "the patient with the broken leg, number {}"
_BEDS: Final = range(1, 51)
_AT_ONCE: Final = 8


def _use(flask: Running) -> None:
    def occupy(number: int) -> None:
        body = json.dumps({"patient": _PATIENT.format(number)}).encode()
        flask.http(f"/beds/{number}", body, kind="application/json")

    def lies_there(number: int) -> bool:
        return bool(json.loads(flask.http(f"/beds/{number}"))["patient"] == _PATIENT.format(number))

    with ThreadPoolExecutor(_AT_ONCE) as many:
        list(many.map(occupy, _BEDS))
        expect("beds", sum(many.map(lies_there, _BEDS)), len(_BEDS))


SERVICE = Service(
    "flask",
    _use,
    hidden=(b"Who lies in which bed", b"Package: python3-flask", b"teardown_appcontext"),
    written=(_PATIENT.format(7).encode(),),
    options=("--writable", "64M"),
)
