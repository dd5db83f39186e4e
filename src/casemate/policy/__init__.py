"""Policies: who may run what and gets which secrets (spec/policy.md). Pure: no files, no network, no clock."""
