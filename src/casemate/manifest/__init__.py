"""Building launch manifests: what a program needs becomes a list of files with digests (spec/manifest.md)."""
