"""Frozen models and encodings of all that crosses a process boundary. spec/ is their prose."""
