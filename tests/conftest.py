"""Configures hypothesis and PyTorch for all tests."""

import os

from hypothesis import settings

# Threads of PyTorch spin while they wait for each other, and beside another worker of the tests
# they wait long. A training sets its own number, whatever this says.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A first call may compile, and a shared machine may be slow: neither is a failure. The same tree
# tries the same examples, so that what passed once passes again.
settings.register_profile("sim2edge", deadline=None, derandomize=True)
settings.load_profile("sim2edge")
