"""The audit log: hash-chained entries of what the custodian decided."""

from casemate.custodian.record.chain import FIRST, AuditEntry, ChainedEntry, ChainReader, chain

__all__ = ["FIRST", "AuditEntry", "ChainReader", "ChainedEntry", "chain"]
