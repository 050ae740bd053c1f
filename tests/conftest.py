"""For all tests."""

from hypothesis import settings

# A first call may compile, and a shared machine may be slow: neither is a failure.
settings.register_profile("sim2edge", deadline=None)
settings.load_profile("sim2edge")
