"""The command ``attune``: where it is, and its entry point in an installed wheel."""

import os
import sys
from pathlib import Path

_PACKAGE = Path(__file__).parent


def find_program() -> Path | None:
    """The program that a wheel's package carries, or the one of the build tree that the package lies in."""
    for program in (_PACKAGE / "bin" / "attune", _PACKAGE.parent.parent / "attune"):
        if program.is_file():
            return program
    return None


def main() -> None:
    """Become the program, with this interpreter as the one whose onnxruntime it compares with."""
    program = find_program()
    if program is None:
        sys.exit("attune: this build of the package has no command; it is build/attune in a build tree.")
    os.environ.setdefault("ATTUNE_PYTHON", sys.executable)
    os.execv(program, [str(program), *sys.argv[1:]])
