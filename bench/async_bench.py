#!/usr/bin/env python3
"""Samples per second of asynchronous runs beside the synchronous one, where
rewards take as long as sampling and updating together.

    make && python3 bench/async_bench.py

Learner, actor and reward server are processes as users run them, on a small
random model; bench/slow_rewards stands before the reward server and answers
each request later. How much later is measured first, in a synchronous run
without it: the mean time of an update from start to start. Then the staleness
values run in turn, several rounds. Prints a table and writes
bench/results/async.json.
"""
import argparse
import pathlib
import statistics
import tempfile
import time

from machine import arguments, save_results
from small_run import ROOT, SmallRun, write_llama, write_prompts

WARM_UP = 3  # updates that are not timed


def timed_run(rlhf, folder, args, staleness, delay):
    times = []

    def on_update(reports):
        times.extend([time.monotonic()] * (len(reports) - len(times)))

    run = SmallRun(rlhf, folder, f"staleness-{staleness}", args.threads, args.new_tokens,
                   f"num_updates: {args.updates + WARM_UP} rollouts_per_update: {args.rollouts} "
                   f"num_minibatches: 2 max_staleness: {staleness}", reward_delay=delay)
    reports = run.run(on_update)[WARM_UP:]
    seconds = (times[-1] - times[WARM_UP - 1]) / args.updates
    return {"seconds_per_update": seconds, "samples_per_second": args.rollouts / seconds,
            "staleness_mean": statistics.mean(r["staleness_mean"] for r in reports),
            "phases": {phase: statistics.mean(r[f"{phase}_seconds"] for r in reports)
                       for phase in ("generation", "advantage", "update", "broadcast")}}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rlhf", type=pathlib.Path, default=ROOT / "build/release/bin/rlhf")
    parser.add_argument("--updates", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1, help="of each process")
    parser.add_argument("--rollouts", type=int, default=16)
    parser.add_argument("--new-tokens", type=int, default=96)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--staleness", type=int, nargs="*", default=[0, 1, 2])
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        write_llama(folder / "policy", 1, args.layers, args.width)
        write_llama(folder / "pm", 2, args.layers, args.width, score_head=True)
        write_prompts(folder / "prompts.jsonl", 64)
        bare = timed_run(args.rlhf, folder, args, 0, delay=0)
        delay = bare["seconds_per_update"]
        phases = ", ".join(f"{k} {v:.3f}" for k, v in bare["phases"].items())
        print(f"without a delay {delay:.3f} s an update ({phases}); so much is the delay", flush=True)
        rows = {staleness: [] for staleness in args.staleness}
        for _ in range(args.rounds):
            for staleness in args.staleness:
                rows[staleness].append(timed_run(args.rlhf, folder, args, staleness, delay))
        rates = {s: [r["samples_per_second"] for r in runs] for s, runs in rows.items()}
        base = statistics.mean(rates[args.staleness[0]])
        for s, runs in rows.items():
            print(f"max_staleness {s}  {statistics.mean(rates[s]):7.2f} samples/s "
                  f"({min(rates[s]):.2f} to {max(rates[s]):.2f})  {statistics.mean(rates[s]) / base:.2f}x  "
                  f"mean staleness {statistics.mean(r['staleness_mean'] for r in runs):.2f}", flush=True)
    save_results("async", arguments=arguments(args), delay_seconds=delay,
                 without_delay=bare, rows=rows)


if __name__ == "__main__":
    main()
