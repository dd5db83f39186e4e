"""Prints the table of `bench.images.measure` alone."""

from __future__ import annotations

import sys

from bench.__main__ import table
from bench.images import measure
from examples.services.images import missing

if __name__ == "__main__":
    if (lack := missing()) is not None:
        sys.exit(f"bench: protected images are not measured: {lack}")
    sys.stdout.write(table(measure()) + "\n")
