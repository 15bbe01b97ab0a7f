#!/usr/bin/env python3
"""What refreshing the preference model is worth.

    make && python3 bench/refresh_study.py [--keep FOLDER]

The loop with refreshes against the same loop with its first PM only, with equally
many comparisons and updates, over several seeds (loop_run.py). Each arm's workers
answer all comparisons; the second arm trains no PM on those after the first. Prints
gold reward of the final policies and writes bench/results/refresh_study.json.

The first PM comes from 25 comparisons, as a run's first PM comes early; what PMs of 400
comparisons and more learn besides is the difference. Answers come so fast that every
PM of the first arm rewards some updates. Where updates are so fast that a run ends
before its last comparison, it shows as fewer comparisons: then take a lower
--seconds-per-task. Seeds 1 and 2 are those that the setting was chosen by.
"""
import argparse
import json
import math
import statistics

from async_study import standard_error
from loop_run import add_arguments, judge, policies, reports, run_all, run_loop
from machine import arguments, save_results

ARMS = ("refreshed", "first PM only")


def name_of(arm, seed):
    return f"{arm.split()[0]}-{seed}"


def learn(args, folder, name, place):
    arm, seed = name.split("-")
    at = args.refresh_at if arm == "refreshed" else args.refresh_at[:1]
    run = run_loop(args, folder, name, place, int(seed), f"kl_coefficient: {args.kl_coefficient}",
                   preference=f"refresh_at: {at}")
    made = reports(run)
    began = {}
    for report in made:
        began.setdefault(report["pm"]["version"], int(report["update"]))
    trained = [json.loads(line) for line in (run / "pms.jsonl").read_text().splitlines()]
    return {"seed": int(seed), "gold": judge(args, folder, policies(run)[-1]), "updates": len(made),
            "comparisons": int(json.loads((run / "report.json").read_text())["num_comparisons"]),
            "first_update_of_pm": began, "held_out_accuracy": [pm["held_out_accuracy"] for pm in trained],
            "kl": made[-1]["kl_k1_nats_per_sequence"]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    parser.add_argument("--first-seed", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--updates", type=int, default=160)
    parser.add_argument("--learning-rate", type=float, default=0.004)
    parser.add_argument("--kl-coefficient", type=float, default=0.02)
    parser.add_argument("--comparisons", type=int, default=2400)
    parser.add_argument("--refresh-at", type=int, nargs="*", default=[25, 400, 1000, 2000])
    parser.add_argument("--seconds-per-task", type=float, default=0.04)
    parser.add_argument("--accuracy", type=float, default=0.9)
    args = parser.parse_args()
    seeds = range(args.first_seed, args.first_seed + args.seeds)
    found = run_all(args, [name_of(arm, seed) for seed in seeds for arm in ARMS],
                    lambda folder, name, place: learn(args, folder, name, place))
    rows = {arm: [found[name_of(arm, seed)] for seed in seeds
                  if all(name_of(other, seed) in found for other in ARMS)] for arm in ARMS}
    for arm, runs in rows.items():
        for r in runs:
            print(f"{arm:14} seed {r['seed']}: gold {r['gold']:.3f}  {r['comparisons']} comparisons, {r['updates']} "
                  f"updates  KL {r['kl']:.2f}  first update of each PM {r['first_update_of_pm']}  held-out accuracy "
                  f"{', '.join(f'{a:.2f}' for a in r['held_out_accuracy'])}")
    golds = {arm: [r["gold"] for r in runs] for arm, runs in rows.items()}
    for arm, values in golds.items():
        print(f"{arm:14} gold {statistics.mean(values):.3f} +- {standard_error(values):.3f} over {len(values)} seeds")
    gain = statistics.mean(golds["refreshed"]) - statistics.mean(golds["first PM only"])
    error = math.hypot(*(standard_error(v) for v in golds.values()))
    print(f"difference {gain:+.3f} = {gain / error:+.1f} standard errors")
    save_results("refresh_study", arguments=arguments(args), runs=rows, difference=gain, standard_errors=gain / error)


if __name__ == "__main__":
    main()
