"""`casemate policy`."""
