"""The one process that owns the custodian's state, and how the others reach it."""

from casemate.custodian.keeper.engine import Engine
from casemate.custodian.keeper.local import LocalState
from casemate.custodian.keeper.state import (
    Change,
    Compare,
    Delete,
    Item,
    Put,
    State,
    Transaction,
)
from casemate.custodian.record import AuditEntry

__all__ = [
    "AuditEntry",
    "Change",
    "Compare",
    "Delete",
    "Engine",
    "Item",
    "LocalState",
    "Put",
    "State",
    "Transaction",
]
