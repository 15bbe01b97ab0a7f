#!/usr/bin/env bash
# Gives random bytes to what reads bytes from outside (tests/fuzz/), and prints
# what became of it. Fails if any target did.
#
#   tools/fuzz.sh [SECONDS [TARGET...]]    60 s each, and all of them
#
# As many targets run at a time as there are cores. What they learned stays in
# build/fuzz/learned/ and is where the next run begins; what made one fail is in
# build/fuzz/found/.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly SECONDS_EACH=${1:-60}
readonly BUILD=build/fuzz
readonly SEEDS=tests/fuzz/corpus

[[ $SECONDS_EACH =~ ^[1-9][0-9]*$ ]] ||
  { echo "fuzz: wanted a number of seconds, got $SECONDS_EACH" >&2; exit 2; }
targets=("${@:2}")
if ((${#targets[@]} == 0)); then mapfile -t targets < <(ls "$SEEDS"); fi
for target in "${targets[@]}"; do
  [[ -d $SEEDS/$target ]] || {
    echo "fuzz: no target \"$target\"; known are $(ls "$SEEDS" | tr "\n" " ")" >&2
    exit 2
  }
done

[[ -e $BUILD/build.ninja ]] || cmake --preset fuzz
cmake --build --preset fuzz --target "${targets[@]/%/_fuzz}"

# run TARGET: its log and exit code into $BUILD/logs.
run() {
  local code=0
  mkdir -p "$BUILD/learned/$1" "$BUILD/found/$1"
  # A line of log for each input would take most of the time.
  "$BUILD/fuzz/$1_fuzz" -max_total_time="$SECONDS_EACH" -max_len=65536 \
    -rss_limit_mb=512 -malloc_limit_mb=256 -timeout=5 -close_fd_mask=3 \
    -print_final_stats=1 -artifact_prefix="$BUILD/found/$1/" \
    "$BUILD/learned/$1" "$SEEDS/$1" > "$BUILD/logs/$1.log" 2>&1 || code=$?
  echo "$code" > "$BUILD/logs/$1.code"
}
export -f run
export BUILD SEEDS SECONDS_EACH

# number TARGET NAME: one of libFuzzer's final numbers.
number() { sed -n "s/^stat::$2: *//p" "$BUILD/logs/$1.log"; }

# report TARGET: its line of the table.
report() {
  local coverage result=passed
  coverage=$(grep -oE 'cov: [0-9]+' "$BUILD/logs/$1.log" | tail -n 1)
  if [[ $(cat "$BUILD/logs/$1.code") != 0 ]]; then
    result="FAILED: $(grep -oE "$BUILD/found/[^ ]+" "$BUILD/logs/$1.log" |
      tail -n 1 || true) ($BUILD/logs/$1.log)"
  fi
  printf '%-16s %12s %10s %10s %10s  %s\n' "$1" \
    "$(number "$1" number_of_executed_units)" \
    "$(number "$1" average_exec_per_sec)" "${coverage#cov: }" \
    "$(number "$1" peak_rss_mb)" "$result"
  [[ $result == passed ]]
}

mkdir -p "$BUILD/logs"
printf '%s\0' "${targets[@]}" |
  xargs -0 -P "$(nproc)" -I '{}' bash -c 'run "$1"' _ '{}'
failed=0
printf '%-16s %12s %10s %10s %10s  %s\n' \
  target executions per_second coverage peak_MiB result
for target in "${targets[@]}"; do report "$target" || failed=1; done
exit "$failed"
