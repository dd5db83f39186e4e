"""The attacks, in the order of the play. Each returns what was tried, what happened, why, and whether it held."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from examples.first_run.attacks import custody, governance, launching, reading, relaying, tampering, volumes
from examples.first_run.cast import Cast
from examples.first_run.screen import Outcome

__all__ = ["ATTACKS", "Attack"]

Attack = tuple[str, str, Callable[[Cast], Outcome]]
"""Letter, title, what is done."""

ATTACKS: Final[tuple[Attack, ...]] = (
    ("a1", "redis-server with one byte changed", tampering.changed_program),
    ("a2", "a changed libc", tampering.changed_library),
    ("a3", "LD_PRELOAD in the environment", tampering.preload),
    ("a4", "the binary swapped between check and start", tampering.swapped),
    ("b", "a shield with one byte changed", launching.changed_shield),
    ("c1", "a recorded attestation, replayed", relaying.replayed),
    ("c2", "a genuine attestation, relayed under another key", relaying.relayed),
    ("d", "evidence with debug on", launching.debug),
    ("e", "a process that lets the genuine shield be measured in its place", launching.forked),
    ("f", "the workload itself asks for evidence", launching.asking),
    ("g", "a policy update signed by a stranger", governance.stranger),
    ("h", "a policy of the same name, registered first by somebody else", governance.squatter),
    ("i", "a proxy that answers with its own configuration", relaying.forged),
    ("j", "somebody else's custodian", relaying.other_custodian),
    ("k", "a custodian with one changed .py file", custody.changed_module),
    ("l", "the custodian's database replaced by yesterday's", custody.rolled_back),
    ("o1", "reading the folder of a sealed volume", volumes.hidden),
    ("o2", "the custodian away for a moment", volumes.away),
    ("o3", "two writers at once", volumes.two_writers),
    ("o4", "a writer that wakes up after its lease ended", volumes.resumed),
    ("o5", "kill -9 in the middle of writes", volumes.killed),
    ("o6", "changed data", volumes.changed),
    ("o7", "the whole folder of a moment ago", volumes.older),
    ("o8", "an empty folder", volumes.emptied),
    ("o9", "a volume and the custodian's database, restored together", custody.restored_together),
    ("o10", "the custodian away for longer than a lease", volumes.gone),
    ("m", "grepping disks, memory files, processes and logs for the secrets", reading.grep),
)
