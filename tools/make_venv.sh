#!/usr/bin/env bash
# Make or refresh .venv in the current folder from tools/requirements.txt, with attune importable from build/python.
#
# The Python is $PYTHON where it is set, else the distribution's own: python3-venv and python3-dev belong to that one,
# whatever other python3 comes first on PATH.
set -euo pipefail

python=${PYTHON:-/usr/bin/python3}
"$python" -c '
import pathlib, sys, sysconfig, ensurepip
header = pathlib.Path(sysconfig.get_paths()["include"], "Python.h")
sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed" or not header.exists() and f"{header} is missing")'

if ! .venv/bin/python -c '' 2>/dev/null; then
  rm -rf .venv
  "$python" -m venv .venv
fi
for attempt in 1 2 3 4; do
  if .venv/bin/python -m pip install --disable-pip-version-check --progress-bar off --retries 10 --timeout 60 \
      -r tools/requirements.txt | sed '/^Requirement already satisfied/d'; then
    break
  fi
  [ "$attempt" -lt 4 ] || exit 1
  echo "pip failed; trying again in $((attempt * 10)) s" >&2
  sleep $((attempt * 10))
done

site=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')
echo ../../../../build/python > "$site/attune_build.pth"
touch .venv/ready
