"""A PySpark job: a sealed volume that it may only read, and another for its result, which bob alone may open."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from casemate.testing.stage import Result
from examples.services.hosted import Hosted
from examples.services.running import Running
from examples.services.service import Service, WorkError, expect

__all__ = ["SERVICE"]

_READINGS, _RESULT = "readings", "result"
_PATIENT: Final = "somebody with a fever"
_WARDS, _PATIENTS, _FILES = 3, 3000, 4
_SUMMARY: Final = "ward,readings,highest,mean\n0,1000,39.0,37.49\n1,1000,39.1,37.59\n2,1000,39.2,37.69\n"
_NOT_FOUND: Final = 54
"""A stranger is not even told that there is such a policy (spec/exit-codes.md)."""


def _prepare(pyspark: Hosted) -> None:
    """Alice puts the readings into the volume that the job reads."""
    source = pyspark.place.stage.folder / "readings"
    source.mkdir()
    for number in range(_FILES):
        lines = [_line(patient) for patient in range(number, _PATIENTS, _FILES)]
        (source / f"{number}.csv").write_text("\n".join(["patient,ward,temperature", *lines, ""]))
    folder, stage = pyspark.folder(_READINGS), pyspark.place.stage
    folder.parent.mkdir(parents=True)
    stage.ask("volume", "create", folder, "--root", "hash", *_of(pyspark, _READINGS), "--as", "alice")
    stage.ask("volume", "import", folder, source, *_of(pyspark, _READINGS), "--as", "alice")
    shutil.rmtree(source)


def _line(patient: int) -> str:
    ward = patient % _WARDS
    return f"{_PATIENT} {patient},{ward},{36 + ward / 10 + (patient // _WARDS % 31) / 10:.1f}"


def _use(pyspark: Running) -> None:
    """Waits for the job, and opens its result as bob; neither its owner nor a stranger can."""
    status = pyspark.end()
    if status:
        raise WorkError(f"the job: {status} {pyspark.logs()[-2000:]}")
    target = pyspark.hosted.place.stage.folder / f"{pyspark.container}-result"
    told = _export(pyspark.hosted, target, "bob")
    if told.status:
        raise WorkError(f"bob gets no result: {told.errors}")
    try:
        expect("the summary", (target / "summary.csv").read_text(), _SUMMARY)
        expect("the Parquet file", len(list((target / "wards").glob("*.parquet"))), 1)
    finally:
        shutil.rmtree(target)
    told = _export(pyspark.hosted, target, "alice")
    expect("alice asks for the result", ("volume.person" in told.errors, target.exists()), (True, False))
    told = _export(pyspark.hosted, target, "mallory")
    expect("mallory asks for the result", (told.status, target.exists()), (_NOT_FOUND, False))


def _export(pyspark: Hosted, target: Path, who: str) -> Result:
    return pyspark.place.stage.cli(
        "volume", "export", pyspark.folder(_RESULT), target, *_of(pyspark, _RESULT), "--as", who
    )


def _of(pyspark: Hosted, volume: str) -> tuple[str, ...]:
    return ("--policy", pyspark.policy, "--volume", volume)


SERVICE = Service(
    "pyspark",
    _use,
    hidden=(b"Mean, highest and number", b"spark-core_2.12", b"Package: default-jre-headless"),
    written=(_PATIENT.encode(), b"summary.csv", b"1000,39.1,37.59"),
    volumes={_READINGS: "/data/readings", _RESULT: "/data/result"},
    people=("bob",),
    policy={
        "services": {"pyspark": {"volumes": {"/data/readings": {"volume": _READINGS, "mode": "read"}}}},
        "volumes": {
            _READINGS: {"people": {"write": {"any": ["alice"]}}},
            _RESULT: {"people": {"read": {"any": ["bob"]}}},
        },
    },
    prepare=_prepare,
    listens=False,
)
