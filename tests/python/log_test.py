"""What is written to stderr, and when: the severities of the default logger, of a session and of a run."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import tiny

PROGRAM = """
import sys
import numpy
import {engine} as ort
ort.set_default_logger_severity({default})
options = ort.SessionOptions()
options.log_severity_level = {session}
options.logid = "the-session"
session = ort.InferenceSession("cnn.onnx", options)
run_options = ort.RunOptions()
run_options.log_severity_level = {run}
run_options.logid = "the-run"
session.run(None, {{"input_1": numpy.ones((2, 40, 40, 1), "f4")}}, run_options)
"""


def lines_of(folder: Path, default: int = 2, session: int = -1, run: int = -1, engine: str = "attune") -> list[str]:
    (folder / "cnn.onnx").write_bytes(tiny.convolutions())
    program = PROGRAM.format(engine=engine, default=default, session=session, run=run)
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout == ""
    return done.stderr.splitlines()


@pytest.mark.parametrize("quiet", [{}, {"default": 4}, {"default": 0, "session": 4}, {"session": 4, "run": 4}])
def test_a_good_model_is_silent(quiet: dict[str, int], tmp_path: Path) -> None:
    assert lines_of(tmp_path, **quiet) == []


@pytest.mark.parametrize("talkative", [{"default": 1}, {"session": 1}])
def test_info_tells_what_was_loaded_optimized_and_planned(talkative: dict[str, int], tmp_path: Path) -> None:
    text = "\n".join(lines_of(tmp_path, **talkative))
    for wanted in ("Loaded cnn.onnx: graph 'tiny'", "Optimized at ORT_ENABLE_ALL", "fuse_conv", "Ready in", "Planned"):
        assert wanted in text


def test_a_run_has_its_own_severity(tmp_path: Path) -> None:
    (line,) = lines_of(tmp_path, run=1)
    assert "[I:attune:the-session:the-run, " in line
    assert "Planned input_1 {2,40,40,1}" in line
    assert "Planned" not in "\n".join(lines_of(tmp_path, session=1, run=4))


def test_lines_look_like_onnxruntimes(tmp_path: Path) -> None:
    shape = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+ \[I:%s:[^,\]]*, [a-z_]+\.(cc|cpp|h):\d+[^\]]*\] \S.*"
    for engine in ("attune", "onnxruntime"):
        lines = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in lines_of(tmp_path, session=1, engine=engine)]
        assert any(re.fullmatch(shape % engine, line) for line in lines), lines[:3]
    assert all(re.fullmatch(shape % "attune", line) for line in lines_of(tmp_path, session=1))
