#!/usr/bin/env bash
# What must pass before a commit: format, layers, build, tests. One command for
# people and for automation; stops at the first failure.
set -euo pipefail
cd "$(dirname "$0")/.."

echo "== format"
tools/check_format.sh
echo "== layers"
python3 tools/check_layers.py
(cd tools && python3 -m unittest --quiet check_layers_test docs_test)
echo "== build"
make --no-print-directory build
echo "== tests"
ctest --preset release
