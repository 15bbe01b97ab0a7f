#!/usr/bin/env bash
# Runs one test of the pages: run.sh FILE PAGE_SERVER. Exit code 77: skipped.
set -euo pipefail
cd "$(dirname "$0")"
root=$(cd ../.. && pwd)

skip() {
  echo "SKIPPED: there is no $1; \`$2\` brings it"
  exit 77
}

[[ -e $root/.venv-page/.made ]] || skip .venv-page "make test"
command -v chromium > /dev/null || skip chromium "make setup"
PAGE_SERVER=$2 exec "$root/.venv-page/bin/python" -B -m unittest --verbose "$1"
