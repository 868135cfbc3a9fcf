"""What the module costs before it does anything: its size on disk, and what an import maps, holds and takes."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from attune import _attune

MODULE = Path(_attune.__file__)
IS_SANITIZED = b"__asan_init" in MODULE.read_bytes() or b"__tsan_init" in MODULE.read_bytes()

pytestmark = pytest.mark.skipif(IS_SANITIZED, reason="sanitizers add to size, memory and time")


def answer_of(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120)
    return done.stdout


@pytest.mark.skipif(shutil.which("strip") is None, reason="strip is not installed")
def test_the_stripped_library_is_small(tmp_path: Path) -> None:
    stripped = tmp_path / MODULE.name
    subprocess.run(["strip", "--strip-unneeded", "-o", stripped, MODULE], check=True)
    assert stripped.stat().st_size < 8 << 20


def test_an_import_maps_the_module_and_what_it_is_linked_to() -> None:
    """Beside NumPy: what Python's own modules need, and nothing larger than the module; little memory."""
    program = """
import re, numpy
def files():
    return set(re.findall(r"(/\\S+)$", open("/proc/self/maps").read(), re.M))
def anonymous():
    return int(re.search(r"^RssAnon:\\s+(\\d+)", open("/proc/self/status").read(), re.M)[1])
files_before, anonymous_before = files(), anonymous()
import attune
print(anonymous() - anonymous_before)
print(*sorted(files() - files_before), sep="\\n")
"""
    grown, *mapped = answer_of(program).splitlines()
    assert int(grown) < 16 << 10  # KiB
    names = {re.sub(r"[.].*", "", Path(path).name) for path in mapped if "/lib-dynload/" not in path}
    assert "_attune" in names
    of_python = {"libbz2", "liblzma"}
    linked = {"libfmt", "libhwy", "libre2", "libutf8proc", "libstdc++", "libgcc_s"}
    assert {name for name in names if not name.startswith("libabsl_")} - of_python <= linked | {"_attune"}


def test_an_import_is_quick() -> None:
    """Less than what NumPy's own takes, which depends on the machine and its mood as ours does; the best of a few."""
    program = """
import time
start = time.process_time()
import numpy
middle = time.process_time()
import attune
print((time.process_time() - middle) / (middle - start))
"""
    assert min(float(answer_of(program)) for _ in range(10)) < 1
