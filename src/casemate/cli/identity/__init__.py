"""`casemate identity`."""
