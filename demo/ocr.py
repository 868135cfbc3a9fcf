#!/usr/bin/env python3
"""Read a page of English and Chinese with RapidOCR on Attune, check it against onnxruntime, then tune the recogniser.

    ocr.py [--attune build/attune] [--budget 60] [--keep FOLDER]

Exits with 1 when Attune and onnxruntime read different lines, or when the page is misread beyond a slip here and there.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import unicodedata
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import page

# Less agreement with the truth than this over the whole page is a broken pipeline, not a recogniser's slip.
LEAST_AGREEMENT = 0.97


def read_page(engine: str, image: Path, *options: str) -> dict[str, Any]:
    """What RapidOCR reads on `engine`, in a process of its own."""
    reader = [sys.executable, str(Path(__file__).with_name("read_page.py")), engine, str(image), *options]
    done = subprocess.run(reader, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"Reading on {engine} failed:\n{done.stderr}")
    answer = json.loads(done.stdout)
    if answer["engine"] != engine:
        sys.exit(f"RapidOCR ran on {answer['engine']}, not on {engine}")
    return answer


def plain(line: str) -> str:
    """Without what a recogniser may rightly choose: the width of punctuation, and spaces."""
    return "".join(unicodedata.normalize("NFKC", line).split())


def width(line: str) -> int:
    """Columns that a terminal takes for the line."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line)


def report_lines(attune: dict[str, Any], reference: dict[str, Any]) -> bool:
    """Prints the lines beside the truth; whether all is well."""
    truth, found = page.LINES, attune["lines"]
    column = max(width(line) for line in truth) + 2
    print(f"{'truth':<{column}}  read on Attune")
    for row in range(max(len(truth), len(found))):
        left = truth[row] if row < len(truth) else ""
        right = found[row] if row < len(found) else ""
        mark = " " if plain(left) == plain(right) else "*"
        print(f"{left}{' ' * (column - width(left))}{mark} {right}")
    agreement = SequenceMatcher(None, plain("".join(truth)), plain("".join(found)), autojunk=False).ratio()
    exact = sum(plain(a) == plain(b) for a, b in zip(truth, found, strict=False))
    print(f"\n{exact} of {len(truth)} lines as written, {agreement:.1%} of the characters.")

    same = found == reference["lines"]
    print(f"Lines equal to RapidOCR's on onnxruntime: {'yes' if same else 'NO'}")
    if not same:
        for row in range(max(len(found), len(reference["lines"]))):
            pair = [lines[row] if row < len(lines) else None for lines in (found, reference["lines"])]
            if pair[0] != pair[1]:
                print(f"  line {row + 1}: attune {pair[0]!r}, onnxruntime {pair[1]!r}")
    else:
        distance = max((abs(a - b) for a, b in zip(attune["scores"], reference["scores"], strict=True)), default=0)
        print(f"Largest difference of a line's score: {distance:.1e}")
    for name, answer in (("Attune", attune), ("onnxruntime", reference)):
        print(
            f"{name:<12} first page, loading included, {answer['first_s']:5.2f} s; next ones {answer['read_s']:5.2f} s"
        )
    return same and agreement >= LEAST_AGREEMENT


def tune(command: Path, model: str, crops: Path, budget: str) -> bool:
    """Lets `attune tune` find the options for the recogniser on the lines of this page; whether it went well."""
    if not command.exists():
        print(f"\n{command} is not built: the recogniser is not tuned.")
        return True
    if (
        "--budget"
        not in subprocess.run([command, "tune", "--help"], capture_output=True, text=True, check=False).stdout
    ):
        print(f"\n{command} cannot tune: the recogniser is not tuned.")
        return True
    print(f"\nTuning {Path(model).name} on the line images of this page:\n", flush=True)
    options = ["--input", crops, "--budget", budget, "--output", crops.with_name("tuned.json")]
    done = subprocess.run([command, "tune", model, *options], check=False)
    return done.returncode == 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--attune", type=Path, default=Path("build/attune"), help="the command")
    parser.add_argument("--budget", default="60", help="seconds that tuning may take")
    parser.add_argument("--keep", type=Path, help="a folder for the page, the recogniser's input and what tuning found")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        image, crops = folder / "page.png", folder / "crops.npz"
        page.draw_page(image)
        attune = read_page("attune", image, "--save-input", str(crops))
        good = report_lines(attune, read_page("onnxruntime", image))
        good = tune(args.attune, attune["model"], crops, args.budget) and good
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
