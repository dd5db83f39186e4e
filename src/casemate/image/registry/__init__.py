"""Images of registries (OCI distribution specification 1.1)."""
