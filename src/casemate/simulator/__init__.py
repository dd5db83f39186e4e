"""The simulated platform: a made-up secure processor that speaks the genuine SEV-SNP format and protects nothing.

Only the command line and tests use it. spec/evidence.md describes it.
"""
