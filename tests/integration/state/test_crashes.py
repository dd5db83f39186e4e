"""Any life of a custodian with power cuts at any write: what was acknowledged is there, and nothing by halves."""

from __future__ import annotations

import contextlib
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from casemate.custodian.anchor import FileAnchor
from casemate.custodian.keeper import AuditEntry, Change, Compare, Delete, Engine, Put, Transaction
from casemate.custodian.keys.identity import IDENTITY_KEY, Identity
from casemate.custodian.opening import UnconfirmedError, resume
from casemate.custodian.store.sealed import SealedStore
from casemate.testing.power import FragileAnchor, FragileStore, Image, Power, PowerLostError
from casemate.wire.custodian import Board

from .conftest import init_request

MASTER = bytes(range(32))
KEYS = ("a", "b", "c", "d")
IDENTITY = Identity.create("test", Board.model_validate(init_request()["board"]), None).to_bytes()

Content = dict[str, bytes]
Plan = list[tuple[list[str], dict[str, bytes | None]]]
"""Transactions: keys whose revisions are compared, and what is written."""

PLANS = st.lists(
    st.tuples(
        st.lists(st.sampled_from(KEYS), max_size=2),
        st.dictionaries(st.sampled_from(KEYS), st.none() | st.binary(max_size=3), max_size=3),
    ),
    min_size=1,
    max_size=3,
)
STEPS = st.integers(0, 6)
"""A batch is two steps of the store and three of the anchor: before, in the middle of, and after each write."""


class CustodianLife(RuleBasedStateMachine):
    """`content` was acknowledged; `maybe` is what a batch would have made of it that the power cut in two."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.power = Power()
        self.disk = FragileStore(self.power)
        self.engine: Engine | None = None
        self.content: Content = {}
        self.maybe: Content | None = None
        self.older: list[Image] = []

    @initialize()
    def make(self) -> None:
        sealed = SealedStore.create(self.disk, MASTER)
        sealed.commit({IDENTITY_KEY: IDENTITY}, [AuditEntry("custodian.created")], datetime.now(UTC))
        FileAnchor.create(self.path, MASTER, sealed.state)
        self.start()

    @property
    def path(self) -> Path:
        return Path(self.folder.name) / "anchor"

    @precondition(lambda self: self.engine is not None)
    @rule(plan=PLANS)
    def commit(self, plan: Plan) -> None:
        assert self.engine is not None
        before, batch, after = self.disk.image(), self._batch(plan), self._after(plan)
        results = self.engine.apply(batch)
        assert all(isinstance(result, int) for result in results)
        self.content = after
        if self.disk.image() != before:
            self.older.append(before)

    @precondition(lambda self: self.engine is not None)
    @rule(plan=PLANS, steps=STEPS)
    def commit_in_a_power_cut(self, plan: Plan, steps: int) -> None:
        self.power.cut_after(steps)
        try:
            self.commit(plan)
        except PowerLostError:
            # Not acknowledged: either end is genuine.
            self.maybe = self._after(plan)
        self._lose()

    @precondition(lambda self: self.engine is not None)
    @rule(plan=PLANS)
    def lose_a_compare(self, plan: Plan) -> None:
        """A transaction that loses leaves nothing, whatever else it would have written."""
        assert self.engine is not None
        (result,) = self.engine.apply([Transaction([Compare("a", 10**9)], self._changes(plan[0][1]), AuditEntry("no"))])
        assert not isinstance(result, int)

    @precondition(lambda self: self.engine is not None)
    @rule()
    def stop(self) -> None:
        assert self.engine is not None
        self.older.append(self.disk.image())
        self.engine.stop()
        self.engine = None

    @precondition(lambda self: self.engine is not None)
    @rule(steps=st.integers(0, 8))
    def stop_in_a_power_cut(self, steps: int) -> None:
        self.power.cut_after(steps)
        try:
            self.stop()
        except PowerLostError:
            self.older.pop()
        self._lose()

    @precondition(lambda self: self.engine is None)
    @rule()
    def start(self) -> None:
        self.power.back()
        before = self.disk.image()
        engine = self._resumed()
        found = {key: item.value for key in KEYS if (item := engine.get(key)) is not None}
        assert found in [self.content, self.maybe]
        # Now it is settled: there is one past, and it is complete.
        self.content, self.maybe, self.engine = found, None, engine
        self.older.append(before)

    @precondition(lambda self: self.engine is None)
    @rule(steps=st.integers(0, 8))
    def start_in_a_power_cut(self, steps: int) -> None:
        self.power.back()
        self.power.cut_after(steps)
        with contextlib.suppress(PowerLostError):
            self.engine = self._resumed()
        self._lose()

    @precondition(lambda self: self.engine is None and self.older)
    @rule(data=st.data())
    def roll_back(self, data: st.DataObject) -> None:
        self.power.back()
        newest = self.disk.image()
        self.disk.put_back(data.draw(st.sampled_from(self.older)))
        with pytest.raises(UnconfirmedError) as refused:
            self._resumed()
        assert refused.value.step == "anchor.state"
        self.disk.put_back(newest)

    @invariant()
    def all_is_readable(self) -> None:
        if self.engine is None:
            return
        found = {item.key: item.value for item in self.engine.range("", limit=99, after=None, reverse=False)}
        assert {key: found[key] for key in KEYS if key in found} == self.content
        list(self.engine.store.audit())

    def teardown(self) -> None:
        self._lose()
        self.folder.cleanup()

    def _resumed(self) -> Engine:
        sealed = SealedStore.open(self.disk, MASTER)
        anchor = FragileAnchor(self.path, MASTER, self.power)
        try:
            return resume(sealed, anchor).engine
        except BaseException:
            anchor.close()
            raise

    def _lose(self) -> None:
        if self.engine is not None:
            self.engine.close()
        self.engine = None

    def _batch(self, plan: Plan) -> list[Transaction]:
        """Compares that hold: with what is stored, or with what the batch itself wrote before."""
        assert self.engine is not None
        written: dict[str, int | None] = {}
        batch = []
        sequence = self.engine.store.state.sequence + 1
        for keys, values in plan:
            compare = [Compare(key, written.get(key, self.engine.store.revision(key))) for key in keys]
            batch.append(Transaction(compare, self._changes(values), AuditEntry("test") if keys else None))
            written |= {key: None if value is None else sequence for key, value in values.items()}
        return batch

    def _changes(self, values: dict[str, bytes | None]) -> list[Change]:
        return [Delete(key) if value is None else Put(key, value) for key, value in values.items()]

    def _after(self, plan: Plan) -> Content:
        content = dict(self.content)
        for _, values in plan:
            for key, value in values.items():
                content.pop(key, None)
                if value is not None:
                    content[key] = value
        return content


TestCustodianLife = CustodianLife.TestCase
TestCustodianLife.settings = settings(max_examples=80, stateful_step_count=25, deadline=None)
