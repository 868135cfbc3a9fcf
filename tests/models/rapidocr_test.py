"""RapidOCR, unmodified, reads on Attune what it reads on onnxruntime."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

pytest.importorskip("rapidocr")

LINES = ["Measure twice, cut once.", "The quick brown fox jumps", "over the lazy dog: 128.50 EUR"]
PROGRAM = """\
import json
import sys

import rapidocr

reader = rapidocr.RapidOCR()
result = reader(sys.argv[1])
engine = type(reader.text_rec.session.session).__module__.partition(".")[0]
json.dump({"engine": engine, "lines": list(result.txts), "boxes": result.boxes.tolist()}, sys.stdout)
"""


def read(tmp_path: Path, *launcher: str) -> Any:
    script = tmp_path / "reader.py"
    script.write_text(PROGRAM)
    done = subprocess.run(
        [sys.executable, *launcher, str(script), str(tmp_path / "page.png")],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_reads_the_same_text_in_the_same_places(tmp_path: Path) -> None:
    page = Image.new("RGB", (640, 240), "white")
    pen = ImageDraw.Draw(page)
    for row, line in enumerate(LINES):
        pen.text((24, 20 + 70 * row), line, fill="black", font=ImageFont.load_default(36))
    page.save(tmp_path / "page.png")
    ours = read(tmp_path, "-m", "attune.as_onnxruntime")
    reference = read(tmp_path)
    assert (ours["engine"], reference["engine"]) == ("attune", "onnxruntime")
    assert ours["lines"] == reference["lines"]
    assert len(ours["lines"]) == len(LINES)
    assert np.abs(np.subtract(ours["boxes"], reference["boxes"])).max() <= 1
