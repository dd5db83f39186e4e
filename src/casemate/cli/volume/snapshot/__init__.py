"""Snapshots of sealed volumes."""
