"""Property tests are not timed: a busy machine makes nothing wrong."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("casemate", deadline=None)
settings.load_profile("casemate")
