#!/usr/bin/env python3
"""Trains a preference model with `rlhf pm train` and with TRL's RewardTrainer, one
after the other on this machine: same model, same comparisons as the same tokens
in the same order, same optimizer; then both judge the same held-out pairs.

    .venv-bench/bin/python bench/pm_bench.py --rlhf build/release/bin/rlhf

The comparisons are those of hh-rlhf's harmless-base test file, which is not part
of this repository; without it there is nothing to measure. Prints a table and
writes bench/results/pm.json (pm-bfloat16.json with --dtype bfloat16).
"""
import argparse
import gzip
import json
import math
import os
import pathlib
import subprocess
import sys
import tempfile

from machine import arguments, save_results
from memory import MemoryWatch
from ppo_bench import MODEL, ROOT, SPIN
from update_bench import MALLOC

DATA = ROOT.parent / "shared/data/hh-harmless-base-test.jsonl.gz"
BATCH, MAX_TOKENS, HELD_OUT_SHARE = 16, 256, 0.3
# Bars: our pairs per second / TRL's, and our memory / TRL's.
SPEED_BAR, MEMORY_BAR = 1.7, 0.6
# What may be told to TRL for less memory: "plain" keeps what a whole batch needs
# for its backward pass, "checkpointing" is the default of its RewardConfig.
WAYS = {"plain": [], "checkpointing": ["--gradient-checkpointing"], "small": ["--pairs-per-pass", "4"]}


def measure(command, **environment):
    """The JSON object that a command prints last, and its peak of memory."""
    process = subprocess.Popen(command, env=os.environ | environment, stdout=subprocess.PIPE, text=True)
    watch = MemoryWatch([process.pid])
    output = process.communicate()[0]
    watch.stop()
    if process.returncode != 0:
        sys.exit(f"{command[0]} {command[1]} ended with exit code {process.returncode}")
    return json.loads(output[output.rfind("\n{") + 1:]) | {"peak_bytes": watch.peak_bytes}


def run_ours(args, folder):
    """Trains with our verb, which leaves its tokens in `folder` for TRL."""
    data = folder / args.data.name.removesuffix(".gz")
    data.write_bytes(gzip.decompress(args.data.read_bytes()))
    dtype = [] if args.dtype == "float32" else ["--dtype", args.dtype]
    found = measure(
        [args.rlhf, "pm", "train", "--model", args.model, "--out", folder / "pm", data,
         "--held-out-share", str(HELD_OUT_SHARE), "--max-tokens", str(MAX_TOKENS), "--batch-size", str(BATCH),
         "--learning-rate", str(args.learning_rate), "--head-learning-rate", str(args.head_learning_rate),
         "--epochs", "1", "--seed", "1", "--threads", str(args.threads), "--json",
         "--write-tokens", folder, "--limit", str(args.pairs), *dtype],
        OMP_NUM_THREADS=str(args.threads), GOMP_SPINCOUNT=str(SPIN), GLIBC_TUNABLES=MALLOC)
    held_out = found["held_out"]
    return found | {"accuracy": held_out["accuracy"], "ece": held_out["expected_calibration_error"]}


def run_trl(args, folder, way):
    """Trains with TRL on the tokens that our side has left."""
    found = measure(
        [sys.executable, ROOT / "bench/peers/trl_reward.py", "--model", args.model, "--dtype", args.dtype,
         "--train", folder / "train.jsonl", "--held-out", folder / "held_out.jsonl", "--batch", str(BATCH),
         "--learning-rate", str(args.learning_rate), "--head-learning-rate", str(args.head_learning_rate),
         "--threads", str(args.threads), *WAYS[way]],
        OMP_NUM_THREADS=str(args.threads), HF_HUB_OFFLINE="1")  # no telemetry while it is timed
    held_out = found["held_out"]
    return found | {"accuracy": held_out["accuracy"], "ece": held_out["ece"]}


def check_tokens(found, folder):
    """Dies unless the files hold what our side says it has trained on."""
    for name, count in (("train", found["num_train"]), ("held_out", found["num_held_out"])):
        with open(folder / f"{name}.jsonl") as lines:
            written = sum(1 for _ in lines)
        if written != count:
            sys.exit(f"{name}.jsonl has {written} pairs, but {count} were used: the sides would not compare")
    if found["num_train"] <= BATCH or found["num_held_out"] == 0:
        sys.exit(f"{found['num_train']} pairs to train on and {found['num_held_out']} held out; "
                 f"wanted more than {BATCH}, as the first step warms up, and at least one: raise --pairs")


def wilson(share, count):
    """The Wilson score interval of a share, at 95 %."""
    z2 = 1.959963984540054 ** 2
    center = (share + z2 / (2 * count)) / (1 + z2 / count)
    half = math.sqrt(z2 * (share * (1 - share) / count + z2 / (4 * count * count))) / (1 + z2 / count)
    return max(0.0, center - half), min(1.0, center + half)


def summarize(found, num_train, num_held_out):
    """What the results keep of a side: rates count all steps but the first."""
    steps = math.ceil(num_train / BATCH)
    if len(found["seconds"]) not in (steps - 1, steps):
        sys.exit(f"{len(found['seconds'])} steps were timed; wanted {steps}, or one less without the first")
    seconds = found["seconds"][1 - steps:]
    kept = {key: found[key] for key in ("accuracy", "ece", "peak_bytes", "loss_first", "loss_last") if key in found}
    return {"pairs_per_second": (num_train - BATCH) / sum(seconds), "seconds": seconds,
            "accuracy_95": wilson(found["accuracy"], num_held_out), **kept}


def describe(name, side, num_held_out):
    low, high = side["accuracy_95"]
    return (f"{name:18} {side['pairs_per_second']:7.2f} pairs/s {side['peak_bytes'] / 1e9:6.2f} GB"
            f"  held-out accuracy {side['accuracy']:.3f} [{low:.3f}, {high:.3f}] on {num_held_out}"
            f"  ECE {side['ece']:.3f}")


def compare(ours, theirs):
    return (f"  {ours['pairs_per_second'] / theirs['pairs_per_second']:.2f}x (bar {SPEED_BAR})"
            f"  memory {ours['peak_bytes'] / theirs['peak_bytes']:.2f} (bar {MEMORY_BAR})")


def warn_of_start(name, side):
    """A head of zeros finds all pairs equally good, so the first loss is log 2."""
    if abs(side.get("loss_first", math.log(2)) - math.log(2)) > 1e-3:
        print(f"{name} began with a loss of {side['loss_first']:.4f} nats, not {math.log(2):.4f}: "
              "its score head was not zero, so the accuracies do not compare")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rlhf", type=pathlib.Path, default=ROOT / "build/release/bin/rlhf")
    parser.add_argument("--model", type=pathlib.Path, default=MODEL)
    parser.add_argument("--data", type=pathlib.Path, default=DATA)
    parser.add_argument("--pairs", type=int, default=600, help="at most so many, before the split")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--learning-rate", type=float, default=1e-5)
    parser.add_argument("--head-learning-rate", type=float, default=1e-5)
    parser.add_argument("--trl", nargs="*", default=["plain"], choices=list(WAYS), help="how TRL spends its memory")
    return parser.parse_args()


def main():
    args = parse_arguments()
    if not args.data.exists():
        print(f"skipped: {args.data} is missing; it is harmless-base/test.jsonl.gz of Anthropic's hh-rlhf")
        return
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        found = run_ours(args, folder)
        check_tokens(found, folder)
        counts = found["num_train"], found["num_held_out"]
        sides = {"ours": summarize(found, *counts)}
        print(describe("ours", sides["ours"], counts[1]), flush=True)
        for way in args.trl:
            sides[f"TRL {way}"] = summarize(run_trl(args, folder, way), *counts)
            print(describe(f"TRL {way}", sides[f"TRL {way}"], counts[1])
                  + compare(sides["ours"], sides[f"TRL {way}"]), flush=True)
    for name, side in sides.items():
        warn_of_start(name, side)
    save_results("pm" if args.dtype == "float32" else f"pm-{args.dtype}", arguments=arguments(args),
                 data=args.data.name, num_train=counts[0], num_held_out=counts[1], sides=sides)


if __name__ == "__main__":
    main()
