"""Sealed output: lines in a log of the host that only the owner's key opens (spec/output-format.md)."""
