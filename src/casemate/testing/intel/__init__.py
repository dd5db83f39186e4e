"""A made-up Intel: roots, machines, quoting enclaves, trust domains and documents, right and wrong.

Everything follows from names, so it is the same in every process; nobody trusts it but tests, which put its root in
the place of Intel's.
"""
