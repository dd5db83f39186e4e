"""TPM 2.0: quotes of platform configuration registers, by a key of the TPM's own."""
