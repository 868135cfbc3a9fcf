"""`attune report`: the summary and the page made from what `attune tune` saves; the page in a real browser."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from tuned import make_tuned

ROOT = Path(__file__).resolve().parents[2]
ATTUNE = Path(os.environ.get("ATTUNE_BIN", ROOT / "build" / "attune")).resolve()

pytestmark = pytest.mark.skipif(not ATTUNE.exists(), reason=f"{ATTUNE} is not built")

LANGUAGES = ("en", "zh")
PLOTS = ("pareto", "alone", "effects", "memory-0", "memory-1", "threads", "confirm", "distribution")
# Counts what is drawn on each canvas, and what went wrong, where --dump-dom shows it.
CATCH = "<script>const failures = []; addEventListener('error', (e) => failures.push(e.message));</script>"
PROBE = """<script>
const painted = {};
for (const canvas of document.querySelectorAll("canvas")) {
  if (canvas.clientWidth === 0) continue;
  const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  const colours = new Set();
  let count = 0;
  for (let k = 0; k < pixels.length; k += 4) {
    if (pixels[k + 3] === 0) continue;
    ++count;
    colours.add(pixels[k] << 16 | pixels[k + 1] << 8 | pixels[k + 2]);
  }
  painted[canvas.id] = {count, colours: colours.size};
}
const wide = document.documentElement.scrollWidth > innerWidth + 1;
const probe = document.createElement("pre");
probe.id = "probe";
probe.textContent = JSON.stringify({painted, failures, wide, text: document.body.innerText,
                                    requests: performance.getEntriesByType("resource").map((entry) => entry.name)});
document.body.append(probe);
</script>"""


def run(*arguments: object, code: int = 0) -> subprocess.CompletedProcess[str]:
    result = subprocess.run(
        [str(ATTUNE), *map(str, arguments)], capture_output=True, text=True, timeout=300, check=False
    )
    assert result.returncode == code, result.stdout + result.stderr
    return result


def save(folder: Path, name: str = "tuned.json", **changes: Any) -> Path:
    path = folder / name
    path.write_text(json.dumps(make_tuned(**changes)))
    return path


def look_at(page: Path, size: str = "1280,900") -> dict[str, Any]:
    """What a browser without a network makes of a page."""
    copy = page.with_suffix(".probed.html")
    text = page.read_text(encoding="utf-8")
    copy.write_text(text.replace("<head>", "<head>" + CATCH).replace("</body>", PROBE + "</body>"), encoding="utf-8")
    done = subprocess.run(
        [
            *("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
            *("--disable-background-networking", "--host-resolver-rules=MAP * ~NOTFOUND", f"--window-size={size}"),
            *(f"--user-data-dir={page.parent / 'browser'}", "--dump-dom", copy.as_uri()),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    probe = re.search(r'<pre id="probe">(.*?)</pre>', done.stdout, re.DOTALL)
    assert probe, done.stdout[-2000:]
    return json.loads(html.unescape(probe[1]))


needs_browser = pytest.mark.skipif(shutil.which("chromium") is None, reason="there is no Chromium")


@needs_browser
@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_browser_shows_every_plot(lang: str, tmp_path: Path) -> None:
    run("report", save(tmp_path), "--lang", lang)
    page = tmp_path / "tuned.html"
    seen = look_at(page)
    assert seen["failures"] == []
    assert seen["requests"] == []
    assert set(seen["painted"]) == set(PLOTS)
    for name, drawn in seen["painted"].items():
        assert drawn["count"] > 2000 and drawn["colours"] > 5, (name, drawn)
    assert not re.search(r"undefined|NaN|\{\w+\}|\[object", seen["text"]), seen["text"]
    assert f'<html lang="{"zh-CN" if lang == "zh" else "en"}">' in page.read_text(encoding="utf-8")
    for text in ("enable_cpu_mem_arena=false", "onnxruntime 1.32.0"):
        assert text in seen["text"]
    assert "exit code 1 <b>" in seen["text"]  # what an engine says is text, not markup
    if lang == "zh":
        sentences = re.findall(r"\b(?:the|than|is|was|and|with)\b", seen["text"].replace("The worker", ""))
        assert not sentences, seen["text"]


@needs_browser
def test_a_narrow_screen_shows_the_page_without_scrolling_sideways(tmp_path: Path) -> None:
    run("report", save(tmp_path))
    seen = look_at(tmp_path / "tuned.html", "500,900")
    assert seen["failures"] == []
    assert not seen["wide"]
    assert set(seen["painted"]) == set(PLOTS)


@needs_browser
def test_a_result_that_ended_early_is_a_page_too(tmp_path: Path) -> None:
    nothing = {"kind": "keep_default", "reason": "no_time", "candidate": 0, "settings": {}, "changes": {}, "callers": 1}
    empty: dict[str, Any] = {name: [] for name in ("candidates", "threads", "memory", "pareto", "confirmations")}
    file = save(tmp_path, verdict=nothing | {"ratios": {}}, design={"name": "", "effects": []}, **empty)
    assert "before anything better could be confirmed" in " ".join(run("report", file).stdout.split())
    seen = look_at(tmp_path / "tuned.html")
    assert seen["failures"] == []
    assert seen["painted"] == {}
    assert "before anything better could be confirmed" in seen["text"]


@needs_browser
def test_results_of_several_machines_make_one_page(tmp_path: Path) -> None:
    files = [
        save(tmp_path, "here.json"),
        save(tmp_path, "before.json", seed=2, created="2026-11-01T10:00:00Z"),
        save(tmp_path, "there.json", seed=3, speed=0.5, cpu="AMD EPYC 7B13", engine="attune"),
    ]
    page = tmp_path / "all.html"
    run("report", *files, "--output", page)
    seen = look_at(page)
    assert seen["failures"] == []
    assert set(seen["painted"]) == set(PLOTS)
    for text in ("One setting for each machine type", "AMD EPYC 7B13", "Intel(R) Xeon(R)", "replaced by a later run"):
        assert text in seen["text"]
    told = json.loads(run("report", *files, "--json", "--output", page).stdout)
    assert [one["is_superseded"] for one in told].count(True) == 1
    assert next(one for one in told if one["is_superseded"])["created"] == "2026-11-01T10:00:00Z"


def test_the_summary_says_what_to_use_and_why(tmp_path: Path) -> None:
    out = run("report", save(tmp_path)).stdout
    for text in (
        "Use enable_cpu_mem_arena=false",
        "median latency is",
        "95 % interval",
        "this one needs less memory",
        "Other programs kept 0.41 CPUs busy",
        "the default again",
        "options.enable_cpu_mem_arena = False",
        "session.intra_op_thread_affinities=9: The worker of onnxruntime ended",
        f"Report: {tmp_path / 'tuned.html'}",
    ):
        assert text in " ".join(out.split()) or text in out, text
    assert max(map(len, out.splitlines())) <= 110
    chinese = run("report", save(tmp_path), "--lang", "zh").stdout
    for text in ("建议使用", "延迟中位数", "内存", "再测默认设置", "报告"):
        assert text in chinese.replace("\n", "")
    assert not re.search(r"\b(?:the|than|was|and)\b", chinese.replace("The worker", "")), chinese


@pytest.mark.parametrize(
    ("kind", "reason", "objective", "words"),
    [
        ("keep_default", "nothing_better", "latency", "none of the 13 other settings is better by 2 % or more"),
        ("keep_default", "not_confirmed", "latency", "measured again in new processes"),
        ("keep_default", "interrupted", "latency", "the search was interrupted"),
        ("keep_default", "default_failed", "latency", "the default itself stopped working"),
        ("better", "clear", "throughput", "throughput is"),
        ("better", "clear", "p99", "99 % latency is"),
        ("lighter", "clear", "latency", "less memory at the peak"),
        ("within_limits", "clear", "latency", "the default breaks a limit (peak memory up to 1,907.3 MiB"),
        ("none_within", "clear", "latency", "Nothing that was tried keeps the limits"),
    ],
)
def test_every_verdict_is_a_sentence(kind: str, reason: str, objective: str, words: str, tmp_path: Path) -> None:
    verdict = make_tuned()["verdict"] | {"kind": kind, "reason": reason}
    if kind in ("keep_default", "none_within"):
        verdict |= {"candidate": 0, "settings": {}, "changes": {}, "ratios": {}}
    file = save(tmp_path, verdict=verdict, objective=objective)
    for lang in LANGUAGES:
        (told,) = json.loads(run("report", file, "--json", "--lang", lang).stdout)
        sentence = told["words"]["sentence"]
        assert not re.search(r"[{}]", sentence)
        assert sentence.endswith("." if lang == "en" else "。")
        if lang == "en":
            assert words in sentence


def test_a_gain_in_throughput_is_told_as_more_of_it(tmp_path: Path) -> None:
    ratios = {"throughput": {"ratio": 0.8, "low": 0.75, "high": 0.9, "pairs": 8, "method": "signed-rank"}}
    file = save(tmp_path, objective="throughput", verdict=make_tuned()["verdict"] | {"ratios": ratios})
    (told,) = json.loads(run("report", file, "--json").stdout)
    assert "throughput is 25.0 % higher" in told["words"]["sentence"]
    assert "11.1 to 33.3 % higher" in told["words"]["sentence"]


def snippets(folder: Path, **changes: Any) -> dict[str, str]:
    (told,) = json.loads(run("report", save(folder, **changes), "--json").stdout)
    return {snippet["title"]: snippet["code"] for snippet in told["snippets"]}


def test_python_snippets_run(tmp_path: Path) -> None:
    graph = helper.make_graph(
        [helper.make_node("Neg", ["x"], ["y"])],
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2])],
    )
    model = tmp_path / "small.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), model)
    settings = {"enable_cpu_mem_arena": False, "arena_extend_strategy": "kSameAsRequested", "a.b": "1"}
    verdict = make_tuned()["verdict"] | {"settings": settings}
    found = snippets(tmp_path, verdict=verdict)
    assert next(iter(found)) == "Python · onnxruntime"
    for module in ("attune", "onnxruntime"):
        names: dict[str, Any] = {}
        exec(found[f"Python · {module}"].replace("models/article_cnn.onnx", str(model)), names)
        assert names["options"].enable_cpu_mem_arena is False
        assert names["options"].get_session_config_entry("a.b") == "1"
        assert names["session"].run(None, {"x": np.ones(2, "f4")})[0].tolist() == [-1, -1]
    assert list(snippets(tmp_path, engine="attune"))[:2] == ["Python · from tuned.json", "Python · attune"]


def test_the_rapidocr_snippet_has_its_configs_keys(tmp_path: Path) -> None:
    rapidocr = pytest.importorskip("rapidocr")
    import yaml

    config = yaml.safe_load((Path(rapidocr.__file__).parent / "config.yaml").read_text(encoding="utf-8"))
    verdict = make_tuned()["verdict"] | {"settings": {"intra_op_num_threads": 2, "execution_mode": "ORT_PARALLEL"}}
    (told,) = json.loads(run("report", save(tmp_path, verdict=verdict), "--json").stdout)
    snippet = next(one for one in told["snippets"] if one["title"].startswith("RapidOCR"))
    keys = yaml.safe_load(snippet["code"])["EngineConfig"]["onnxruntime"]
    assert keys["intra_op_num_threads"] == 2
    assert keys["enable_cpu_mem_arena"] is True  # RapidOCR's own default is another
    known = config["EngineConfig"]["onnxruntime"]
    assert set(keys) <= set(known)
    assert set(keys["cpu_ep_cfg"]) <= set(known["cpu_ep_cfg"])
    assert any("execution_mode" in note for note in snippet["notes"])


def test_other_files_are_refused_in_one_line(tmp_path: Path) -> None:
    broken = tmp_path / "broken.json"
    for text, words in (("{", "is not JSON"), ("{}", 'no "schema"'), ('{"schema": 99}', "later version")):
        broken.write_text(text)
        result = run("report", broken, code=1)
        assert words in result.stderr and result.stderr.count("\n") == 1
    assert "cannot be opened" in run("report", tmp_path / "missing.json", code=1).stderr
    file = save(tmp_path)
    assert "/nowhere/x.html" in run("report", file, "--output", "/nowhere/x.html", code=1).stderr
    assert "--lang" in run("report", file, "--lang", "xx", code=2).stderr


def test_help_has_examples() -> None:
    out = run("report", "--help").stdout
    assert "attune report tuned.json" in out
    assert "--lang" in out
