"""Release statements: written down, signed, looked at, judged."""
