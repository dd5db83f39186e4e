"""AMD SEV-SNP: reports, certificates, verification. The simulated platform speaks the same format."""
