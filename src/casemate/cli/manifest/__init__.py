"""`casemate manifest`."""
