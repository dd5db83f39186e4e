"""Sealed volumes without a custodian: the key and the anchor are in files of whoever calls."""

from casemate.volume.volume import Entry, Imported, Snapshot, Volume, VolumeInfo

__all__ = ["Entry", "Imported", "Snapshot", "Volume", "VolumeInfo"]
