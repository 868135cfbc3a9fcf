"""attune.tune: which session options suit a model on this machine, found by measurement.

The measuring is the command's (`attune tune`), which this starts: trials need processes of their own.
"""

import html
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from . import _attune
from .command import find_program
from .options import SessionOptions
from .terminal_relay import TerminalRelay, is_notebook

StrPath = str | os.PathLike[str]

_USAGE = 2  # exit code of a command that was called wrongly
_INTERRUPTED = 130


@dataclass(frozen=True)
class TunedCandidate:
    """A setting that was tried. Ratios are over the default's: below 1 is better. Times are milliseconds an inference,
    medians over processes; figures are None for a setting that was not measured."""

    settings: dict[str, Any]
    changes: dict[str, Any]
    callers: int
    outcome: str
    reason: str
    ratio: float | None
    low: float | None
    high: float | None
    latency_ms: float | None
    p95_ms: float | None
    cpu_ms: float | None
    held_bytes: float | None
    peak_bytes: float | None


class Tuning:
    """What `attune tune` found out. A notebook shows it; `data` is the whole of it, as tuned.json has it."""

    def __init__(self, data: Mapping[str, Any], lang: str = "en") -> None:
        """`lang` is the language of all words: "en" or "zh"."""
        self.data = dict(data)
        self.lang = lang
        self._told: dict[str, tuple[dict[str, Any], str]] = {}

    @classmethod
    def load(cls, file: StrPath, lang: str = "en") -> "Tuning":
        """Reads what `save`, or the command, has written."""
        return cls(json.loads(Path(file).read_text(encoding="utf-8")), lang)

    @property
    def settings(self) -> dict[str, Any]:
        """What to use: options by name, configuration entries by key."""
        return dict(self.data["verdict"]["settings"])

    @property
    def changes(self) -> dict[str, Any]:
        """Those of them that differ from the default; empty when the default is kept."""
        return dict(self.data["verdict"]["changes"])

    @property
    def verdict(self) -> str:
        """The verdict in a sentence."""
        return str(self._tell()[0]["words"]["sentence"])

    @property
    def noise(self) -> list[str]:
        """What disturbed the measurement, in sentences; empty on a quiet machine."""
        return list(self._tell()[0]["words"]["noise"])

    @property
    def snippets(self) -> dict[str, str]:
        """Code to paste, by what it is for."""
        return {snippet["title"]: snippet["code"] for snippet in self._tell()[0]["snippets"]}

    @property
    def candidates(self) -> list[TunedCandidate]:
        """All settings that were tried; the first is the default, measured beside itself."""
        told, objective = self._tell()[0], self.data["objective"]
        found = []
        for candidate, figures in zip(told["candidates"], told["figures"], strict=True):
            row = {name: candidate[name] for name in ("settings", "changes", "callers", "outcome", "reason")}
            ratio = candidate["ratios"].get(objective, {})
            for name in ("ratio", "low", "high"):
                row[name] = ratio[name] if ratio.get("method") else None
            for name in ("latency_ms", "p95_ms", "cpu_ms", "held_bytes", "peak_bytes"):
                row[name] = figures and figures[name]
            found.append(TunedCandidate(**row))
        return found

    def to_session_options(self) -> SessionOptions:
        """The recommended settings; warns as SessionOptions.from_tuned does."""
        with tempfile.TemporaryDirectory() as folder:
            return SessionOptions.from_tuned(self.save(Path(folder) / "tuned.json"))

    def save(self, file: StrPath = "tuned.json") -> Path:
        """Writes the file that SessionOptions.from_tuned and `attune report` read."""
        path = Path(file)
        path.write_text(json.dumps(self.data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        return path

    def report(self, file: StrPath = "tuned.html") -> Path:
        """Writes the report: a page with every plot that needs nothing else, no network either."""
        path = Path(file)
        path.write_text(self._tell()[1], encoding="utf-8")
        return path

    def __repr__(self) -> str:
        return f"<attune.Tuning: {self.verdict}>"

    def _repr_html_(self) -> str:
        """The verdict, code to paste and, folded, the whole report."""
        told, page = self._tell()
        words = told["words"]
        muted = [*words["reasons"], *words["noise"]]
        snippet = told["snippets"][0]
        return (
            '<div style="border-left:4px solid #2f6fde;padding:2px 14px;max-width:60em">'
            f'<p style="font-size:1.1em;font-weight:600;margin:4px 0">{html.escape(words["sentence"])}</p>'
            + "".join(f'<p style="opacity:.7;margin:4px 0">{html.escape(text)}</p>' for text in muted)
            + f'<pre style="padding:8px 12px;margin:8px 0;overflow-x:auto">{html.escape(snippet["code"])}</pre>'
            f"<details><summary>{html.escape(told['report_title'])}</summary>"
            f'<iframe style="width:100%;height:900px;border:0" srcdoc="{html.escape(page)}"></iframe>'
            "</details></div>"
        )

    def _tell(self) -> tuple[dict[str, Any], str]:
        """The result with its words, and the page, in this language."""
        if self.lang not in self._told:
            with tempfile.TemporaryDirectory() as folder:
                saved, page = self.save(Path(folder) / "tuned.json"), Path(folder) / "page.html"
                told = _run("report", saved, "--json", "--lang", self.lang, "--output", page)
                self._told[self.lang] = (json.loads(told)[0], page.read_text(encoding="utf-8"))
        return self._told[self.lang]


def tune(
    model: StrPath,
    *,
    engine: str = "attune",
    shapes: Mapping[str, Sequence[int]] | None = None,
    inputs: Mapping[str, Any] | Sequence[Mapping[str, Any]] | StrPath | None = None,
    budget: float | None = None,
    options: SessionOptions | None = None,
    lang: str = "en",
    arguments: Sequence[str] = (),
) -> Tuning:
    """Finds by measurement which session options suit a model on this machine.

    `engine` is "attune" or "onnxruntime", then this interpreter's. `shapes` are sizes for random inputs, by name;
    `inputs` are real ones: arrays by name, a list of such sets, or a .npz file or folder of them. `budget` are the
    seconds it may take, the command's default when None. `options` are the default that everything is compared with.
    `arguments` go to `attune tune` as they are; its --help lists them. An interrupt (Ctrl-C) ends the search early:
    what is known by then is returned. Raises Fail when nothing could be measured, ValueError for arguments that make no
    sense.
    """
    with tempfile.TemporaryDirectory() as folder:
        saved = Path(folder) / "tuned.json"
        given: list[StrPath] = ["tune", model, "--engine", engine, "--output", saved]
        given += _input_flags(inputs, Path(folder))
        if engine == "onnxruntime":
            given += ["--python", sys.executable]
        for name, shape in (shapes or {}).items():
            given += ["--shape", f"{name}={'x'.join(map(str, shape))}"]
        if budget is not None:
            given += ["--budget", str(budget)]
        given += _option_flags(options)
        _run(*given, *arguments, shows_progress=True)
        return Tuning.load(saved, lang)


def _input_flags(inputs: Any, folder: Path) -> list[StrPath]:
    if inputs is None:
        return []
    if isinstance(inputs, (str, os.PathLike)):
        return ["--input", inputs]
    flags: list[StrPath] = []
    for index, arrays in enumerate([inputs] if isinstance(inputs, Mapping) else inputs):
        file = folder / f"{index:06}.npz"
        named: dict[str, Any] = {name: np.asarray(array) for name, array in arrays.items()}
        np.savez(file, **named)
        flags += ["--input", file]
    return flags


def _option_flags(options: SessionOptions | None) -> list[str]:
    """What the options set beyond the defaults."""
    flags = []
    for row in _attune.option_table() if options is not None else ():
        name, value = row["name"], getattr(options, row["name"])
        flag = name.replace("_", "-")
        if value == row["default"]:
            continue
        if row["type"] == "bool":
            flags.append(f"--{flag}" if value else f"--no-{flag}")
        else:
            flags.append(f"--{flag}={int(value) if row['type'] == 'enum' else value}")
    if options is not None:
        for key, value in options._options.config_entries.items():
            flags += ["--config", f"{key}={value}"]
    return flags


def _run(*arguments: StrPath, shows_progress: bool = False) -> str:
    """What the command prints. An interrupt is passed on to it, once, and its end waited for."""
    program = find_program()
    if program is None:
        raise RuntimeError("This build of the package has no command `attune`.")
    relay = TerminalRelay(sys.stderr) if shows_progress and is_notebook(sys.stderr) else None
    is_seen = shows_progress and sys.stderr is not None and sys.stderr.isatty()
    with subprocess.Popen(
        [program, *(os.fspath(argument) for argument in arguments)],
        stdout=subprocess.PIPE,
        stderr=relay.write_end if relay else None if is_seen else subprocess.PIPE,
        env=os.environ | {"ATTUNE_PYTHON": sys.executable},
        text=True,
        encoding="utf-8",
        start_new_session=True,
    ) as process:
        try:
            out, error = process.communicate()
        except KeyboardInterrupt:
            process.send_signal(signal.SIGINT)
            out, error = process.communicate()
        except BaseException:
            process.kill()
            raise
        finally:
            said = relay.finish() if relay else None
    if process.returncode == 0 or (process.returncode == _INTERRUPTED and arguments[0] == "tune"):
        return out
    text = (said or error or "the command failed, see above").strip().removeprefix("attune: ")
    if process.returncode == _USAGE:
        raise ValueError(text)
    raise _attune.Fail(f"[ONNXRuntimeError] : 1 : FAIL : {text}")
