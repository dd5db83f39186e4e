"""Sealed volumes without a custodian: the key and the anchor are in files of whoever calls."""

from casemate.volume.volume import Entry, Imported, Volume, VolumeInfo

__all__ = ["Entry", "Imported", "Volume", "VolumeInfo"]
