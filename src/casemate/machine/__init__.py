"""What is done on a confidential machine itself: evidence of it, and a shield started on its TPM."""
