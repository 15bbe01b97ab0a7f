#!/usr/bin/env bash
# Every C++ file as clang-format wants it; `--fix` rewrites what is not.
set -euo pipefail
cd "$(dirname "$0")/.."
if [[ ${1:-} == --fix ]]; then mode=(-i); else mode=(--dry-run --Werror); fi
find . \( -name '.?*' -o -path ./build -o -path ./third_party -o -path ./runs \) \
  -prune -o \( -name '*.h' -o -name '*.cc' \) -print0 |
  xargs -0 clang-format "${mode[@]}"
