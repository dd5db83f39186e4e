"""Protected images: OCI images in, OCI images out whose file systems are sealed."""
