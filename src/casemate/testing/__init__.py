"""Fakes for tests. Nothing that ships imports this."""
