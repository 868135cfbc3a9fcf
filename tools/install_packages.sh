#!/usr/bin/env bash
# Make sure that the Debian packages of the named groups are installed (Debian 12, Ubuntu 24.04).
#
#   tools/install_packages.sh build [test] [lint] [demo] [clang]
#
# Nothing is asked of apt when all of them are there. Without root or a sudo that needs no password it prints the
# command to run and fails.
set -euo pipefail

declare -A groups=(
  [build]="g++ cmake ninja-build ccache git make python3-venv python3-dev libhwy-dev libprotozero-dev libcli11-dev
           libfmt-dev libkissfft-dev libre2-dev libutf8proc-dev nlohmann-json3-dev libminizip-dev libxxhash-dev
           libgtest-dev libgmock-dev libbenchmark-dev pkg-config libjs-chart.js"
  [test]=""
  [lint]="clang-tidy"
  [demo]="fonts-noto-cjk"
  [clang]="clang libclang-rt-dev"
)
# Ubuntu's package of this name only points to a snap; tests that need a browser are skipped there.
if [ "$(. /etc/os-release && echo "$ID")" = debian ]; then
  groups[test]="chromium"
fi

missing=()
for group in "$@"; do
  for package in ${groups[$group]}; do
    status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$status" = installed ] || missing+=("$package")
  done
done
[ ${#missing[@]} -gt 0 ] || exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if sudo -n true 2>/dev/null; then
    as_root=(sudo)
  else
    echo "These packages are needed. Run this, then try again:" >&2
    echo "  sudo apt-get update && sudo apt-get install --no-install-recommends ${missing[*]}" >&2
    exit 1
  fi
fi

echo "Installing ${missing[*]}"
apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o Acquire::Retries=5 -o DPkg::Lock::Timeout=600)
# A third-party source that is out of reach must not stand in the way of packages that are Debian's own.
"${apt[@]}" update || echo "apt-get update failed for some sources; going on" >&2
"${apt[@]}" install -y --no-install-recommends "${missing[@]}"
