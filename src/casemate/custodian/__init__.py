"""The custodian: holds policies, verifies evidence, releases secrets. `app.py` wires the service together."""
