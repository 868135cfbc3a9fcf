"""Programs from PyPI, unmodified, give on Attune what they give on onnxruntime. RapidOCR has a file of its own."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

MAGIKA = """\
import json
import sys

import magika

reader = magika.Magika()
results = [reader.identify_bytes(text.encode()) for text in json.load(open(sys.argv[1]))]
results.append(reader.identify_path(sys.argv[1]))
engine = type(reader._onnx_session).__module__.partition(".")[0]
labels, scores = [r.output.label for r in results], [r.score for r in results]
json.dump({"engine": engine, "labels": labels, "scores": scores}, sys.stdout)
"""
FILES = [
    "#include <vector>\n\nint main() {\n  std::vector<int> v{1, 2};\n  return v[0];\n}\n" * 4,
    "import os\n\n\ndef walk(path: str) -> list[str]:\n    return [name for name in os.listdir(path)]\n" * 4,
    "<!DOCTYPE html>\n<html><head><title>t</title></head><body><p>One</p><p>Two</p></body></html>\n" * 3,
    "The quick brown fox jumps over the lazy dog, and then it rests. " * 8,
    "id,name,price\n1,owl,2.50\n2,fox,13.75\n3,bear,8.00\n" * 6,
    "x",
]

SILERO = """\
import json
import sys

import numpy as np
import silero_vad
import torch

torch.set_num_threads(1)
audio = torch.from_numpy(np.load(sys.argv[1]))
model = silero_vad.load_silero_vad(onnx=True)
probabilities = model.audio_forward(audio, sr=16000)[0].tolist()
model.reset_states()
stamps = silero_vad.get_speech_timestamps(audio, model, return_seconds=False)
engine = type(model.session).__module__.partition(".")[0]
json.dump({"engine": engine, "probabilities": probabilities, "stamps": stamps}, sys.stdout)
"""


def run(folder: Path, program: str, argument: Path) -> tuple[Any, Any]:
    """What the program prints on Attune and on onnxruntime."""
    script = folder / "program.py"
    script.write_text(program)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    results = []
    for launcher in (["-m", "attune.as_onnxruntime"], []):
        command = [sys.executable, *launcher, str(script), str(argument)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        assert done.returncode == 0, done.stderr
        results.append(json.loads(done.stdout))
    ours, reference = results
    assert (ours["engine"], reference["engine"]) == ("attune", "onnxruntime")
    return ours, reference


def vowels(rate: int = 16000) -> np.ndarray:
    """Three syllables like speech, a second each, with silence between: a voice's harmonics through formants."""
    rng = np.random.default_rng(0)
    time = np.arange(rate) / rate
    sounds = []
    for formants in ((730, 1090, 2440), (270, 2290, 3010), (570, 840, 2410)):
        pitch = 120 + 8 * np.sin(2 * np.pi * 3 * time)
        phase = 2 * np.pi * np.cumsum(pitch) / rate
        voice = np.zeros(rate)
        for harmonic in range(1, 30):
            frequency = 120 * harmonic
            gain = sum(np.exp(-(((frequency - formant) / 130) ** 2)) for formant in formants) + 0.02
            voice += gain / harmonic**0.3 * np.sin(harmonic * phase)
        envelope = np.clip(np.minimum(time, 1 - time) * 12, 0, 1) * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * time))
        sounds += [np.zeros(rate // 2), 0.08 * voice * envelope]
    signal = np.concatenate([*sounds, np.zeros(rate // 2)])
    return (signal + 0.001 * rng.standard_normal(signal.size)).astype(np.float32)


@pytest.mark.skipif(importlib.util.find_spec("magika") is None, reason="magika is not installed")
def test_magika_knows_the_same_files(tmp_path: Path) -> None:
    (tmp_path / "files.json").write_text(json.dumps(FILES))
    ours, reference = run(tmp_path, MAGIKA, tmp_path / "files.json")
    assert ours["labels"] == reference["labels"]
    assert {"cpp", "python", "html", "csv"} <= set(ours["labels"])
    np.testing.assert_allclose(ours["scores"], reference["scores"], atol=1e-4)


@pytest.mark.skipif(importlib.util.find_spec("silero_vad") is None, reason="silero-vad, which needs torch, is missing")
def test_silero_vad_hears_the_same_speech(tmp_path: Path) -> None:
    np.save(tmp_path / "audio.npy", vowels())
    ours, reference = run(tmp_path, SILERO, tmp_path / "audio.npy")
    assert len(ours["probabilities"]) > 100
    np.testing.assert_allclose(ours["probabilities"], reference["probabilities"], atol=1e-4)
    assert ours["stamps"] == reference["stamps"]
    assert max(ours["probabilities"]) > 0.9
    assert min(ours["probabilities"]) < 0.1
