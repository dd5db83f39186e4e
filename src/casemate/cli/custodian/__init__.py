"""`casemate custodian`."""
