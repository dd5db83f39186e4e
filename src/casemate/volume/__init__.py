"""Sealed volumes, from Python: the engine is in crates/volume (spec/volume-format.md)."""
