"""A made-up TPM, what endorses it, and the logs of firmware that never ran."""
