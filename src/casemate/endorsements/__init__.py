"""Endorsements of hardware: fetched from the vendors, kept in a folder, brought along to verifiers, watched over."""
