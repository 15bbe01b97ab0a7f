#!/usr/bin/env python3
"""Whether the sentinel sees over-optimisation before it has cost much.

    make && python3 bench/sentinel_study.py [--keep FOLDER]

Runs built to over-optimise (loop_run.py): one PM of few comparisons, trained on half
of them, beside a test PM of the other half; no KL penalty; many more updates than the
reward needs. They begin from a policy that learned from the gold PM itself for a while
(--trained-updates): a random policy has nothing to lose, and its gold reward wanders
upwards whatever the PM says. Even so, few runs over-optimise by the measure below; how
many is part of the result. Every eighth policy is judged by the gold PM, and gold
reward is set beside the first update at which ppo.sentinel speaks. It only reports, so
that what would have come is seen too.

A run counts as over-optimised if gold reward rose above the first policy's and fell
from its best by a tenth of that gain until the end, both by more than NOISE: two
standard errors of the difference of two means of 1,024 scores. Gold reward is smoothed
over three snapshots. Prints each run and how many of those the sentinel spoke in before
the tenth was lost; and when it spoke in the others, where gold reward had not fallen.
Writes bench/results/sentinel_study.json.
"""
import argparse
import shutil
import statistics

from loop_run import NEW_TOKENS, add_arguments, judge, policies, reports, run_all, run_loop
from machine import arguments, save_results
from small_run import SmallRun

# The scores of one policy's answers differ by about 2.
NOISE = 2 * 2 * (2 / 1024 / 3) ** 0.5
EVERY = 8


def smooth(curve):
    """Each point with its neighbours."""
    golds = [gold for _, gold in curve]
    return [(at, statistics.mean(golds[max(0, i - 1):i + 2])) for i, (at, _) in enumerate(curve)]


def describe(curve, spoke):
    """What a curve of (update, gold reward) shows; update 0 is the first policy."""
    points = smooth(curve)
    start = curve[0][1]
    best_at, best = max(points, key=lambda point: point[1])
    gain, limit = best - start, best - 0.1 * (best - start)
    fallen = next((at for at, gold in points if at > best_at and gold < limit), None)
    last = statistics.mean(gold for _, gold in curve[-3:])
    then = next((gold for at, gold in points if spoke is not None and at >= spoke), None)
    return {"start": start, "best": best, "best_at": best_at, "gain": gain, "fallen_at": fallen, "spoke_at": spoke,
            "fall_at_end": best - last, "gain_when_it_spoke": None if then is None else then - start,
            "over_optimised": fallen is not None and gain > NOISE and best - last > max(NOISE, 0.1 * gain)}


def train_first(args, folder):
    """Gives the runs in `folder` a first policy that the gold PM has rewarded."""
    if args.trained_updates == 0 or (folder / "policy" / "card.json").exists():
        return
    shutil.copytree(folder / "gold", folder / "pm", dirs_exist_ok=True)
    first = SmallRun(args.rlhf, folder, "first", 1, NEW_TOKENS,
                     f"num_updates: {args.trained_updates} rollouts_per_update: 64 num_epochs: 2 num_minibatches: 4 "
                     "learning_rate: 0.003 kl_coefficient: 0.05")
    first.run()
    trained = folder / "trained"
    shutil.rmtree(trained, ignore_errors=True)
    shutil.copytree(policies(first.directory)[-1], trained)
    shutil.rmtree(folder / "policy")
    trained.rename(folder / "policy")


def learn(args, folder, name, place):
    run = run_loop(args, folder, name, place, int(name.split("-")[1]),
                   f"kl_coefficient: 0 sentinel {{ window: {args.window} max_test_drop: {args.max_test_drop} }}",
                   learner=f"snapshot_every: {EVERY}", preference=f"refresh_at: {args.comparisons} test_pm: true")
    made = reports(run)
    spoke = next((int(r["update"]) for r in made if r.get("over_optimisation")), None)
    curve = [(0, judge(args, folder, folder / "policy"))]
    curve += [(int(policy.name), judge(args, folder, policy)) for policy in policies(run) if int(policy.name) > 0]
    return {"curve": curve, **describe(curve, spoke),
            "updates": [{"update": int(r["update"]), "reward": r["reward_anchored_mean"],
                         "test": next(m["anchored_mean"] for m in r["members"] if m["member"] == "test"),
                         "kl": r["kl_k1_nats_per_sequence"]} for r in made]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    parser.add_argument("--seeds", type=int, default=16)
    parser.add_argument("--trained-updates", type=int, default=20, help="of the first policy; needs publish_pm in "
                        "../bench of the folder of rlhf")
    parser.add_argument("--updates", type=int, default=120)
    parser.add_argument("--learning-rate", type=float, default=0.004)
    parser.add_argument("--comparisons", type=int, default=200)
    parser.add_argument("--seconds-per-task", type=float, default=0.05)
    parser.add_argument("--accuracy", type=float, default=0.9)
    parser.add_argument("--window", type=int, default=8)
    parser.add_argument("--max-test-drop", type=float, default=0.25)
    args = parser.parse_args()
    found = run_all(args, [f"over-{seed}" for seed in range(1, args.seeds + 1)],
                    lambda folder, name, place: learn(args, folder, name, place),
                    prepare=lambda folder: train_first(args, folder))
    for name, r in found.items():
        r.update(describe([tuple(point) for point in r["curve"]], r["spoke_at"]))
        print(f"{name:8} gold {r['start']:.2f}, best {r['best']:.2f} at {r['best_at']}, a tenth of the gain lost at "
              f"{r['fallen_at']}, at the end {r['best'] - r['fall_at_end']:.2f}; the sentinel spoke at {r['spoke_at']}, "
              f"gain then {r['gain_when_it_spoke']}{'' if r['over_optimised'] else '; not over-optimised'}")
    over = [r for r in found.values() if r["over_optimised"]]
    in_time = [r for r in over if r["spoke_at"] is not None and r["spoke_at"] <= r["fallen_at"]]
    others = [r for r in found.values() if not r["over_optimised"]]
    spoken = [r for r in others if r["spoke_at"] is not None]
    print(f"{len(over)} of {len(found)} runs over-optimised; the sentinel spoke before a tenth of the gain was lost in "
          f"{len(in_time)} of them, and in {len(spoken)} of the {len(others)} others")
    save_results("sentinel_study", arguments=arguments(args), over_optimised=len(over), in_time=len(in_time),
                 others=len(others), spoke_in_others=len(spoken), runs=found)


if __name__ == "__main__":
    main()
