"""Where the custodian's state lies: an untrusted store, and a seal around it."""
