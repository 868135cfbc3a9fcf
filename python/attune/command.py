"""The command ``attune`` of an installed wheel: hands over to the program that the package carries."""

import os
import sys
from pathlib import Path


def main() -> None:
    """Become the program, with this interpreter as the one whose onnxruntime it compares with."""
    program = Path(__file__).parent / "bin" / "attune"
    if not program.exists():
        sys.exit("attune: this build of the package has no command; it is build/attune in a build tree.")
    os.environ.setdefault("ATTUNE_PYTHON", sys.executable)
    os.execv(program, [str(program), *sys.argv[1:]])
