#!/usr/bin/env python3
"""Times the update alone, ours beside PyTorch's, on this machine: forward and
backward over 16 dialogues of 96 tokens, 32 of them a response.

    make bench       # or: .venv-bench/bin/python bench/update_bench.py

Prints a table and writes bench/results/update.json.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys

from machine import save_results

ROOT = pathlib.Path(__file__).resolve().parent.parent
# As cli/malloc_tuning.cc sets it for the processes of a run.
MALLOC = "glibc.malloc.hugetlb=1:glibc.malloc.mmap_threshold=4294967296:glibc.malloc.trim_threshold=17179869184"
# Bars: PyTorch's seconds / ours, and our share of the rate of matrix products.
SPEED_BARS = {"alike": 1.0, "mixed": 1.3}
RATE_BARS = {"float32": 0.85, "bfloat16": 0.60}
OUR_DTYPES = {"float32": "Float", "bfloat16": "BFloat16"}


def measure(command, **environment):
    output = subprocess.run(command, env=os.environ | environment, check=True, stdout=subprocess.PIPE, text=True).stdout
    lines = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    best = {}
    for line in lines:  # matrix products are measured several times
        if line["name"] not in best or line["s_median"] < best[line["name"]]["s_median"]:
            best[line["name"]] = line
    return best


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", type=pathlib.Path, default=ROOT / "build/release/bench/learner_bench")
    parser.add_argument("--model", type=pathlib.Path, default=ROOT / "models/SmolLM2-135M-Instruct")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    threads = {"OMP_NUM_THREADS": str(args.threads)}
    ours = measure([args.bench, args.model, "16", "96", "32", str(args.repetitions)],
                   GLIBC_TUNABLES=MALLOC, **threads)
    theirs = measure([sys.executable, ROOT / "bench/peers/torch_update.py", "--model", args.model,
                      "--repetitions", str(args.repetitions), "--threads", str(args.threads)], **threads)
    for dtype, name in OUR_DTYPES.items():
        product = ours[f"gemm_2048_{name}"]["gflop_per_s"]
        for kind, bar in SPEED_BARS.items():
            a, b = ours[f"forward_backward_{name}_{kind}"], theirs[f"forward_backward_{dtype}_{kind}"]
            print(f"{dtype:9} {kind:6} ours {a['s_median']:6.2f} s  PyTorch {b['s_median']:6.2f} s"
                  f"  {b['s_median'] / a['s_median']:.2f}x (bar {bar})"
                  f"  {a['gflop_per_s'] / product:.0%} of {product:.0f} GFLOP/s"
                  + (f" (bar {RATE_BARS[dtype]:.0%})" if kind == "alike" else ""))
    save_results("update", threads=args.threads, ours=ours, pytorch=theirs)


if __name__ == "__main__":
    main()
