"""Sealed volumes without a custodian: the key and the anchor are in files of whoever calls."""
