"""What AddressSanitizer changes: it keeps freed memory for a while, and everything takes several times as long."""

import os

import pytest

# Python itself is built without it, so that its runtime has to be loaded first (`make asan`).
PRESENT = "libasan" in os.environ.get("LD_PRELOAD", "")

measures_memory = pytest.mark.skipif(PRESENT, reason="freed memory is kept")
measures_time = pytest.mark.skipif(PRESENT, reason="threads fall asleep within a run")
