"""`casemate platform`."""
