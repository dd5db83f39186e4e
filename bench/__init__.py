"""Benchmarks of the promises in SPECIFICATION.md. `make bench` runs them."""
