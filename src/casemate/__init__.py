"""Casemate runs unmodified applications on computers that nobody has to trust."""
