"""MariaDB, started by root of its container, its data on a strict sealed volume; used by mariadb and mariadb-slap."""

from __future__ import annotations

from typing import Final

from casemate.testing.stage import wait_for
from examples.services.running import Running
from examples.services.service import Service, expect

__all__ = ["SERVICE"]

_PASSWORD: Final = "horse-battery-staple-correct"  # noqa: S105 - it is public, here
_NUMBER: Final = 512
_PATIENTS: Final = """
drop table if exists patient;
create table patient (id int auto_increment primary key, diagnosis varchar(80) not null, key (diagnosis)) engine=InnoDB;
insert into patient (diagnosis) values ('an uncommon fear of batteries');
"""
_DOUBLED: Final = "insert into patient (diagnosis) select diagnosis from patient;\n"
_COUNT: Final = "select count(*) from patient;\n"


def _use(mariadb: Running) -> None:
    at = _ready(mariadb)
    mariadb.client("mariadb", *at, "ward", stdin=_PATIENTS + _DOUBLED * (_NUMBER.bit_length() - 1))
    expect("patients", mariadb.client("mariadb", *at, "--skip-column-names", "ward", stdin=_COUNT), str(_NUMBER))
    mariadb.client(
        "mariadb-slap", *at, "--auto-generate-sql", "--auto-generate-sql-load-type=mixed", "--concurrency=4",
        "--number-of-queries=200", "--engine=innodb",
    )  # fmt: skip


def _kept(mariadb: Running) -> None:
    expect(
        "patients",
        mariadb.client("mariadb", *_ready(mariadb), "--skip-column-names", "ward", stdin=_COUNT),
        str(_NUMBER),
    )


def _ready(mariadb: Running) -> list[str]:
    """How it is reached, once it answers."""
    at = ["--host=127.0.0.1", f"--port={mariadb.port}", "--user=ward", f"--password={_PASSWORD}"]
    asked = ("mariadb", *at, "--batch", "--execute=select 1", "ward")
    wait_for("MariaDB", lambda: mariadb.try_client(*asked).status == 0, seconds=120)
    return at


SERVICE = Service(
    "mariadb",
    _use,
    kept=_kept,
    hidden=(b"mariadb-install-db", b"Package: mariadb-server", b"WARD_PASSWORD for the user"),
    written=(b"an uncommon fear of batteries", _PASSWORD.encode(), b"patient.ibd"),
    volumes={"records": "/var/lib/mysql"},
    options=("--env", f"WARD_PASSWORD={_PASSWORD}"),
)
