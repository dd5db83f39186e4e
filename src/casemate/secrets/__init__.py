"""Kinds of secrets, one file each, and the keyring that makes, keeps and renews them."""
