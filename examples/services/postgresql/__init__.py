"""PostgreSQL with its data on a strict sealed volume, used by psql and pgbench."""

from __future__ import annotations

from typing import Final

from casemate.testing.stage import wait_for
from examples.services.running import Running
from examples.services.service import Service, expect

__all__ = ["PASSWORD", "SERVICE"]

PASSWORD: Final = "correct-horse-battery-staple"  # noqa: S105 - it is public, here
_DIAGNOSIS: Final = "a rare allergy to horses"
_NUMBER: Final = 1000
_PATIENTS: Final = """
drop table if exists patient;
create table patient (id serial primary key, diagnosis text not null);
insert into patient (diagnosis) select :'diagnosis' from generate_series(1, :number);
create index by_diagnosis on patient (diagnosis, id);
"""
_COUNT: Final = "select count(*) from patient where diagnosis = :'diagnosis';\n"


def _use(postgresql: Running) -> None:
    at = _ready(postgresql)
    _ask(postgresql, at, _PATIENTS)
    expect("patients", _ask(postgresql, at, _COUNT), str(_NUMBER))
    postgresql.client("pgbench", "--initialize", "--quiet", "--scale=1", at)
    postgresql.client("pgbench", "--client=4", "--jobs=2", "--transactions=50", at)
    sums = "select sum(abalance) = (select sum(bbalance) from pgbench_branches) from pgbench_accounts;\n"
    expect("pgbench's balances", _ask(postgresql, at, sums), "t")


def _kept(postgresql: Running) -> None:
    expect("patients", _ask(postgresql, _ready(postgresql), _COUNT), str(_NUMBER))


def _ready(postgresql: Running) -> str:
    """Where it is, once it answers."""
    at = f"host=127.0.0.1 port={postgresql.port} user=postgres password={PASSWORD} dbname=postgres"
    asked = ("pg_isready", "--quiet", "--dbname", at)
    wait_for("PostgreSQL", lambda: postgresql.try_client(*asked).status == 0, seconds=120)
    return at


def _ask(postgresql: Running, at: str, words: str) -> str:
    variables = (f"--set=diagnosis={_DIAGNOSIS}", f"--set=number={_NUMBER}")
    plain = ("--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1")
    return postgresql.client("psql", *plain, *variables, "--dbname", at, stdin=words)


SERVICE = Service(
    "postgresql",
    _use,
    kept=_kept,
    hidden=(b"pg_controldata", b"Package: postgresql-15", b"POSTGRES_PASSWORD for its superuser"),
    written=(_DIAGNOSIS.encode(), PASSWORD.encode(), b"pgbench_accounts", b"PG_VERSION"),
    volumes={"records": "/var/lib/postgresql/data"},
    options=("--env", f"POSTGRES_PASSWORD={PASSWORD}"),
)
