"""Runs programs that were written for onnxruntime, unmodified, on Attune.

    python -m attune.as_onnxruntime script.py [argument ...]
    python -m attune.as_onnxruntime -m module [argument ...]

In a program, `attune.install_as_onnxruntime()` before the first `import onnxruntime` does the same. From then on
`onnxruntime` is Attune; packages inside of an installed onnxruntime, such as `onnxruntime.quantization`, stay there and
use Attune themselves. Processes that the program starts anew import what they import.
"""

import runpy
import sys
from collections.abc import Sequence
from pathlib import Path

from .substitution import install_as_onnxruntime


def main(arguments: Sequence[str]) -> None:
    """Runs a script or, after "-m", a module, as `python` would."""
    if not arguments or (arguments[0] == "-m" and len(arguments) < 2) or arguments[0] in ("-h", "--help"):
        print((__doc__ or "").split("In a program")[0].strip(), file=sys.stderr)
        raise SystemExit(0 if arguments and arguments[0] in ("-h", "--help") else 2)
    install_as_onnxruntime()
    if arguments[0] == "-m":
        sys.argv = list(arguments[1:])
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = list(arguments)
        sys.path[0] = str(Path(arguments[0]).resolve().parent)
        runpy.run_path(arguments[0], run_name="__main__")


if __name__ == "__main__":
    main(sys.argv[1:])
