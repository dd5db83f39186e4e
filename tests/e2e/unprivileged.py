"""`python unprivileged.py UID COMMAND…`: the command line as a user without any privilege.

Started by root. What is imported later would have to be readable for that user, which an interpreter below somebody's
home is not: so everything is imported first.
"""

from __future__ import annotations

import codecs
import os
import sys

import casemate.cli.platform.simulate
import casemate.cli.run  # noqa: F401 - see above
from casemate.cli.main import main

ENCODINGS = ("idna", "utf-16be")  # of host names, and of canonical JSON


def drop(uid: int) -> None:
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


if __name__ == "__main__":
    for encoding in ENCODINGS:
        codecs.lookup(encoding)
    drop(int(sys.argv[1]))
    sys.argv[:] = ["casemate", *sys.argv[2:]]
    main()
