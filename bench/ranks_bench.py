#!/usr/bin/env python3
"""Times PPO updates on one learner rank of one thread against two, each of one
thread on a core of its own, with the same global batch.

    python3 bench/ranks_bench.py [--model DIR] [--layers N]

The seconds of an update are its advantage and update phases, as the learner reports
them. On a machine that others use, too, look at `cpu_seconds`: the processor time
of the rank that needed more, transfers included, waiting not.
"""
import argparse
import json
import os
import pathlib
import shutil
import socket
import statistics
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
TUNABLES = "glibc.malloc.hugetlb=1:glibc.malloc.mmap_threshold=4294967296:glibc.malloc.trim_threshold=17179869184"


def run(program, model, kind, ranks, args):
    """Updates as rank 0 of `ranks` reports them, without the first, which warms up."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    processes = []
    for rank in range(ranks):
        environment = os.environ | {"OMP_NUM_THREADS": "1", "GLIBC_TUNABLES": TUNABLES}
        if ranks > 1:
            environment |= {"RANK": str(rank), "WORLD_SIZE": str(ranks),
                            "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
        processes.append(subprocess.Popen(
            ["taskset", "-c", str(rank), program, model, kind, str(args.rollouts), str(args.prompt),
             str(args.response), str(args.minibatches), str(args.updates + 1)],
            env=environment, stdout=subprocess.PIPE, text=True))
    outputs = [p.communicate()[0] for p in processes]
    if any(p.returncode for p in processes):
        raise SystemExit("a rank failed")
    by_rank = [[json.loads(line) for line in output.splitlines()][1:] for output in outputs]
    return [same[0] | {"cpu_s": max(u["cpu_s"] for u in same)} for same in zip(*by_rank)]


def shortened(model, layers, folder):
    """The same model with its first layers only."""
    for path in pathlib.Path(model).iterdir():
        if path.name != "config.json":
            os.symlink(path.resolve(), folder / path.name)
    config = json.loads((pathlib.Path(model) / "config.json").read_text())
    config["num_hidden_layers"] = layers
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=pathlib.Path, default=ROOT / "build/release/bench/ranks_bench")
    parser.add_argument("--model", type=pathlib.Path, default=ROOT / "models/SmolLM2-135M-Instruct")
    parser.add_argument("--layers", type=int, default=0, help="use only the first; 0: all")
    parser.add_argument("--kinds", nargs="*", default=["whole", "sharded"], choices=["whole", "sharded"])
    parser.add_argument("--rollouts", type=int, default=32)
    parser.add_argument("--prompt", type=int, default=64)
    parser.add_argument("--response", type=int, default=32)
    parser.add_argument("--minibatches", type=int, default=2)
    parser.add_argument("--updates", type=int, default=2)
    args = parser.parse_args()
    if shutil.which("taskset") is None:
        raise SystemExit("taskset is needed to give each rank a core")
    with tempfile.TemporaryDirectory() as name:
        model = shortened(args.model, args.layers, pathlib.Path(name)) if args.layers else args.model
        base = None
        for kind, ranks in [("whole", 1)] + [(kind, 2) for kind in args.kinds]:
            updates = run(args.program, model, kind, ranks, args)
            row = {"kind": kind, "ranks": ranks,
                   "seconds": statistics.median(u["forward_s"] + u["train_s"] for u in updates),
                   "cpu_seconds": statistics.median(u["cpu_s"] for u in updates)}
            base = base or row
            row |= {"speedup": base["seconds"] / row["seconds"],
                    "cpu_speedup": base["cpu_seconds"] / row["cpu_seconds"], "updates": updates}
            print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
