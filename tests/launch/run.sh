#!/usr/bin/env bash
# Runs one test of what launches us: run.sh FILE. Exit code 77: skipped.
set -euo pipefail
cd "$(dirname "$0")"
root=$(cd ../.. && pwd)

if [[ ! -e $root/.venv-launch/.made ]]; then
  echo "SKIPPED: there is no .venv-launch; \`make test\` brings it"
  exit 77
fi
exec "$root/.venv-launch/bin/python" -B "$1"
