"""Compares this build with what others compute, and prints the differences.

    make parity      # or: python tools/parity --rlhf build/release/bin/rlhf

The mathematics of the learner, in float64 and float32, beside references
written in float64 and beside TRL's and torch's own functions, on shared random
and hostile tensors: within 1e-6 * (1 + |wanted|).

`rlhf tokenize`, `generate` and `score` beside transformers on the default
model: token ids identical for every Unicode code point in context, for 100,000
random strings and for this repository's own text; greedy tokens identical over
64 tokens on 50 prompts, with log-probabilities within 1e-4; scores within 1e-4.

Exits with 1 if a bar is missed.
"""
import argparse
import importlib.metadata
import os
import pathlib
import platform
import re
import sys
import time

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import math_parity
from json_lines import MODEL, ROOT


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rlhf", default=str(ROOT / "build/release/bin/rlhf"))
    parser.add_argument("--probe", default=str(ROOT / "build/release/tests/parity/math_probe"))
    parser.add_argument("--references-only", action="store_true",
                        help="only the mathematics, beside the references: needs numpy alone")
    parser.add_argument("--only", choices=["mathematics", *CHECKS], help="one of the comparisons")
    return parser.parse_args()


def code_points(rlhf):
    import text_parity
    return text_parity.check_tokenizer(rlhf, "code points", text_parity.code_point_strings(),
                                       f"{text_parity.NUM_CODE_POINTS:,}")


def random_text(rlhf):
    import text_parity
    return text_parity.check_tokenizer(rlhf, "random text", text_parity.random_strings(100_000), "100,000")


def repository(rlhf):
    import text_parity
    return text_parity.check_tokenizer(rlhf, "this repository", text_parity.repository_strings(), "all")


def generation(rlhf):
    import model_parity
    return model_parity.check_generation(rlhf, 50, 64)


def scores(rlhf):
    import model_parity
    return model_parity.check_scores(rlhf, 50)


CHECKS = {"code-points": code_points, "random-text": random_text, "repository": repository,
          "generation": generation, "scores": scores}


def mathematics(probe, references_only):
    """True if all is within the bar."""
    start = time.time()
    if references_only:
        table = math_parity.compare(probe, {}, num_random=30)
    else:
        import math_peers
        table = math_parity.compare(probe, math_peers.FUNCTIONS, num_random=200)
    math_parity.print_table(table)
    print(f"{math_parity.summary(table)} ({time.time() - start:.0f} s)", flush=True)
    return not any(comparison.missed() for comparison in table.values())


def model_and_text(rlhf, names):
    """True if all is within its bar."""
    import transformers
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    rows = []
    for name in names:
        start = time.time()
        rows += CHECKS[name](rlhf)
        print(f"{name}: {time.time() - start:.0f} s", flush=True)
    print(f"\n{MODEL.name}, float32")
    print(f"{'what':38} {'on':26} {'found':>8} {'allowed':>8}")
    for row in rows:
        print(f"{row.what:38} {row.size:26} {row.found:8.2g} {row.allowed:8g}{'  MISSED' if row.missed() else ''}")
    missed = sum(row.missed() for row in rows)
    print(f"model and text: {len(rows)} comparisons, " +
          (f"{missed} beyond the bar" if missed else "all within their bars"), flush=True)
    return not missed


def processor():
    cpuinfo = pathlib.Path("/proc/cpuinfo")
    names = re.findall(r"model name\s*: (.*)", cpuinfo.read_text()) if cpuinfo.exists() else []
    return f"{len(os.sched_getaffinity(0))} cores, {names[0] if names else platform.machine()}"


def print_versions(references_only):
    modules = ["numpy"] if references_only else ["numpy", "torch", "transformers", "trl"]
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in modules)
    print(f"{time.strftime('%Y-%m-%d')}, {processor()}\n{versions}", flush=True)


def main():
    args = arguments()
    with_mathematics = args.only in (None, "mathematics")
    names = [] if args.references_only or args.only == "mathematics" else [args.only] if args.only else list(CHECKS)
    needed = [(args.probe, "make")] * with_mathematics
    if names:
        needed += [(args.rlhf, "make"), (MODEL / "model.safetensors", "make setup")]
    for path, make in needed:
        if not pathlib.Path(path).exists():
            sys.exit(f"{path} is missing: run `{make}`")
    print_versions(args.references_only)
    good = True
    if with_mathematics:
        good &= mathematics(args.probe, args.references_only)
    if names:
        good &= model_and_text(args.rlhf, names)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
