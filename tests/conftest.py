"""Configures hypothesis for all tests."""

from hypothesis import settings

# A first call may compile, and a shared machine may be slow: neither is a failure. The same tree
# tries the same examples, so that what passed once passes again.
settings.register_profile("sim2edge", deadline=None, derandomize=True)
settings.load_profile("sim2edge")
