"""The first confidential run: an unmodified redis-server, and fourteen attacks on it. `make demo` runs it."""
