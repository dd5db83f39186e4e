"""Bytes become `VerifiedClaims`, or an error that says why not."""
