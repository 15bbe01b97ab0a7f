#!/usr/bin/env python3
"""What refreshing the preference model is worth, and whether the sentinel sees
over-optimisation in time.

    make && python3 bench/refresh_study.py [refresh] [sentinel]

The whole loop, `rlhf up`, on tiny random models. The simulated workers judge by a
preference model of their own, the gold PM, that neither policy nor PM ever sees.

refresh: the loop with refreshes against the same loop with its first PM only, with
equally many comparisons and updates, over several seeds. Gold reward is the mean
score that the gold PM gives to the final policy's answers.

sentinel: a run built to over-optimise, few comparisons and no KL penalty, with a
test PM (preference.test_pm). Gold reward of every snapshot is set beside the first
update at which ppo.sentinel speaks.

Prints figures and writes bench/results/refresh_study.json.
"""
import argparse
import json
import math
import pathlib
import shutil
import statistics
import subprocess
import tempfile

from async_study import gold_reward, standard_error
from machine import arguments, save_results
from small_run import ROOT, free_ports, write_llama, write_prompts

PROMPTS = 256


def run_loop(args, folder, name, seed, ppo, preference, comparisons, seconds_per_task):
    """`rlhf up` to its end; the run's directory."""
    p = free_ports(13)
    workers = "".join(
        f'workers {{ worker_id: "w{i}" accuracy: {args.accuracy} seconds_per_task: {seconds_per_task} }} '
        for i in range(6))
    config = folder / f"{name}.txtpb"
    config.write_text(f"""
name: "{name}" runs_dir: "{folder}/runs" initial_policy: "{folder}/policy"
prompts: "{folder}/prompts.jsonl" held_out_prompt_share: 0 threads: 1 seed: {seed}
sampling {{ max_new_tokens: 8 max_prompt_tokens: 128 }}
ppo {{ rollouts_per_update: 64 num_epochs: 2 num_minibatches: 4 {ppo} }}
learner {{ address: "127.0.0.1:{p[0]}" metrics_port: {p[1]} checkpoint_every: 1000000 rank_metrics_port: {p[12]}
          {"snapshot_every: 4" if "sentinel" in ppo else ""} }}
actor {{ address: "127.0.0.1:{p[2]}" metrics_port: {p[3]} max_batch: 64 }}
reward_server {{ address: "127.0.0.1:{p[4]}" metrics_port: {p[5]} }}
preference {{ address: "127.0.0.1:{p[6]}" metrics_port: {p[7]} num_epochs: 4 batch_size: 8
             learning_rate: 0.002 head_learning_rate: 0.01 held_out_share: 0.2
             gate {{ min_accuracy: 0 max_accuracy_drop: 1 significance: 0 }} {preference} }}
feedback {{ http_address: "127.0.0.1:{p[8]}" address: "127.0.0.1:{p[9]}" max_comparisons: {comparisons} }}
crowd {{ gold_model: "{folder}/gold" metrics_port: {p[10]} {workers} }}
up {{ metrics_port: {p[11]} }}
evaluation {{ num_prompts: 0 }}
""")
    run = folder / "runs" / name
    shutil.rmtree(run, ignore_errors=True)
    done = subprocess.run([args.rlhf, "up", config], capture_output=True, text=True, timeout=900)
    if done.returncode != 0:
        raise SystemExit(f"{name} ended with {done.returncode}: {done.stdout[-1500:]}{done.stderr[-1500:]}")
    return run


def reports(run):
    by_update = {}
    for line in (run / "metrics.jsonl").read_text().splitlines():
        report = json.loads(line)
        by_update[int(report["update"])] = report
    return [by_update[n] for n in sorted(by_update)]


def judge(args, folder, policy):
    """Gold reward; gold_reward scores with the folder's `pm`."""
    return gold_reward(args.rlhf, folder, policy, 8)


def refresh_study(args, folder):
    rows = {"refreshed": [], "first PM only": []}
    for seed in range(1, args.seeds + 1):
        for arm, at in (("refreshed", args.refresh_at), ("first PM only", args.refresh_at[:1])):
            run = run_loop(args, folder, f"{arm.split()[0]}-{seed}", seed,
                           f"num_updates: {args.updates} learning_rate: {args.learning_rate} kl_coefficient: 0.02",
                           f"refresh_at: {at}", args.comparisons, args.seconds_per_task)
            made = reports(run)
            policy = sorted((run / "registry/policy").iterdir())[-1]
            rows[arm].append({
                "seed": seed, "gold": judge(args, folder, policy),
                "comparisons": json.loads((run / "report.json").read_text()).get("num_comparisons"),
                "pm_versions": sorted({int(r["pm"]["version"]) for r in made}),
                "kl": made[-1]["kl_k1_nats_per_sequence"]})
            print(f"{arm:14} seed {seed}: gold {rows[arm][-1]['gold']:.3f}  PMs {rows[arm][-1]['pm_versions']}"
                  f"  {rows[arm][-1]['comparisons']} comparisons  KL {rows[arm][-1]['kl']:.2f}", flush=True)
    golds = {arm: [r["gold"] for r in runs] for arm, runs in rows.items()}
    for arm, values in golds.items():
        print(f"{arm:14} gold {statistics.mean(values):.3f} +- {standard_error(values):.3f}")
    gain = statistics.mean(golds["refreshed"]) - statistics.mean(golds["first PM only"])
    error = math.hypot(*(standard_error(v) for v in golds.values()))
    print(f"difference {gain:+.3f} = {gain / error:+.1f} standard errors")
    return {"runs": rows, "difference": gain, "standard_errors": gain / error}


def sentinel_study(args, folder):
    run = run_loop(args, folder, "over", 1,
                   f"num_updates: {args.over_updates} learning_rate: {args.over_learning_rate} kl_coefficient: 0 "
                   "sentinel { window: 8 max_test_drop: 0.25 }",
                   f"refresh_at: {args.over_comparisons} test_pm: true", args.over_comparisons, 0.05)
    curve = [(int(policy.name), judge(args, folder, policy)) for policy in sorted((run / "registry/policy").iterdir())]
    made = reports(run)
    seen = next((int(r["update"]) for r in made if r.get("over_optimisation")), None)
    start = judge(args, folder, folder / "policy")
    best_at, best = max(curve, key=lambda point: point[1])
    limit = best - 0.1 * (best - start)
    fallen = next((n for n, gold in curve if n > best_at and gold < limit), None)
    for n, gold in curve:
        r = made[n - 1]
        test = next((m["anchored_mean"] for m in r.get("members", []) if m["member"] == "test"), float("nan"))
        print(f"update {n:3}: gold {gold:+.3f}  reward {r['reward_anchored_mean']:+.3f}  test PM {test:+.3f}  "
              f"KL {r['kl_k1_nats_per_sequence']:.2f}")
    print(f"gold {start:+.3f} at first, best {best:+.3f} at update {best_at}, fallen by 10 % of its gain at {fallen};"
          f" the sentinel spoke at {seen}")
    return {"initial": start, "curve": curve, "best_at": best_at, "fallen_at": fallen, "sentinel_at": seen,
            "updates": [{"update": int(r["update"]), "reward": r["reward_anchored_mean"],
                         "members": r.get("members"), "kl": r["kl_k1_nats_per_sequence"]} for r in made]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("studies", nargs="*", metavar="refresh|sentinel", help="both if none is named")
    parser.add_argument("--rlhf", type=pathlib.Path, default=ROOT / "build/release/bin/rlhf")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--updates", type=int, default=80)
    parser.add_argument("--learning-rate", type=float, default=0.004)
    parser.add_argument("--comparisons", type=int, default=200)
    parser.add_argument("--refresh-at", type=int, nargs="*", default=[40, 80, 120, 160])
    parser.add_argument("--seconds-per-task", type=float, default=0.4)
    parser.add_argument("--accuracy", type=float, default=0.9)
    parser.add_argument("--over-updates", type=int, default=120)
    parser.add_argument("--over-learning-rate", type=float, default=0.004)
    parser.add_argument("--over-comparisons", type=int, default=200)
    parser.add_argument("--keep", type=pathlib.Path, help="folder for models and runs, which stay")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = args.keep or pathlib.Path(name)
        if not (folder / "policy").exists():
            folder.mkdir(parents=True, exist_ok=True)
            write_llama(folder / "policy", 1, layers=2, width=32)
            write_llama(folder / "gold", 3, layers=2, width=32, score_head=True)
            shutil.copytree(folder / "gold", folder / "pm")
            write_prompts(folder / "prompts.jsonl", PROMPTS)
        results = {}
        if not args.studies or "refresh" in args.studies:
            results["refresh"] = refresh_study(args, folder)
        if not args.studies or "sentinel" in args.studies:
            results["sentinel"] = sentinel_study(args, folder)
    save_results("refresh_study", arguments=arguments(args), **results)


if __name__ == "__main__":
    main()
