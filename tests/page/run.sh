#!/usr/bin/env bash
# Runs one test of the pages: run.sh FILE PAGE_SERVER. Exit code 77: skipped.
set -euo pipefail
cd "$(dirname "$0")"
root=$(cd ../.. && pwd)

skip() {
  echo "SKIPPED: $1; \`make setup\` brings it"
  exit 77
}

[[ -e $root/.venv-page/.made ]] || skip "there is no .venv-page"
command -v chromium > /dev/null || skip "there is no chromium"
PAGE_SERVER=$2 exec "$root/.venv-page/bin/python" -B -m unittest --verbose "$1"
