"""A made-up AMD: chips, fleets, certificates and revocation lists of every product line, right or wrong in one way.

Nothing of it is trusted by anybody who did not pin its root. `plan.py` says what right looks like, `wrong_*.py` name
the ways to be wrong, `cases.py` collects both; `python -m casemate.testing.amd FOLDER` writes them as vectors.
"""
