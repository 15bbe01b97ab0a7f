#!/usr/bin/env python3
"""What staleness does to learning: gold reward after equally many samples.

    make && python3 bench/async_study.py

A tiny random policy learns from a random preference model, which is the gold
judge too, so that nothing but staleness comes between what is rewarded and what
is measured. Each setting runs with several seeds; the final policy answers
prompts with fresh draws, and the judge scores them. Prints, for each setting,
mean and standard error over the seeds, and how far it is from staleness 0 in
standard errors of the difference. Writes bench/results/async_study.json with
every run's curve.
"""
import argparse
import json
import math
import pathlib
import statistics
import subprocess
import tempfile

from machine import arguments, save_results
from small_run import ROOT, SmallRun, write_llama, write_prompts

EVALUATION_PROMPTS = 256


def gold_reward(rlhf, folder, policy, new_tokens):
    """Mean score of `policy`'s answers; the seed is no training run's."""
    prompts = (folder / "prompts.jsonl").read_text()
    answers = subprocess.run(
        [rlhf, "generate", "--model", policy, "--max-new-tokens", str(new_tokens), "--seed", "1000", "--batch", "64"],
        input=prompts, capture_output=True, text=True, check=True).stdout
    dialogues = "".join(
        json.dumps({"prompt": json.loads(prompt)["prompt"], "response": json.loads(answer)["text"]}) + "\n"
        for prompt, answer in zip(prompts.splitlines(), answers.splitlines()))
    scores = subprocess.run([rlhf, "score", "--model", folder / "pm"], input=dialogues, capture_output=True,
                            text=True, check=True).stdout
    return statistics.mean(json.loads(line)["score"] for line in scores.splitlines())


def learn(args, folder, staleness, cap, seed):
    run = SmallRun(args.rlhf, folder, f"staleness-{staleness}-cap-{cap}-seed-{seed}", 1, args.new_tokens,
                   f"num_updates: {args.updates} rollouts_per_update: {args.rollouts} num_epochs: 2 "
                   f"num_minibatches: 4 learning_rate: {args.learning_rate} kl_coefficient: 0 "
                   f"max_staleness: {staleness} behaviour_weight_cap: {cap}", seed=seed)
    reports = run.run()
    policy = sorted((run.directory / "registry/policy").iterdir())[-1]
    return {"gold": gold_reward(args.rlhf, folder, policy, args.new_tokens),
            "staleness_mean": statistics.mean(r["staleness_mean"] for r in reports),
            "kl": reports[-1]["kl_k1_nats_per_sequence"],
            "effective_share": statistics.mean(r["behaviour_effective_share"] for r in reports),
            "rewards": [r["reward_mean"] for r in reports],
            "approx_kl": [r["approx_kl_nats"] for r in reports]}


def standard_error(values):
    return statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else float("nan")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rlhf", type=pathlib.Path, default=ROOT / "build/release/bin/rlhf")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--updates", type=int, default=40)
    parser.add_argument("--rollouts", type=int, default=64)
    parser.add_argument("--new-tokens", type=int, default=8)
    parser.add_argument("--learning-rate", type=float, default=0.003)
    parser.add_argument("--settings", nargs="*", default=["0:2", "1:2", "2:2", "16:2", "16:0"],
                        help="staleness:cap of each; the first is compared with")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        write_llama(folder / "policy", 1, layers=2, width=32)
        write_llama(folder / "pm", 3, layers=2, width=32, score_head=True)
        write_prompts(folder / "prompts.jsonl", EVALUATION_PROMPTS)
        initial = gold_reward(args.rlhf, folder, folder / "policy", args.new_tokens)
        print(f"initial policy: gold {initial:.3f}", flush=True)
        rows, base = {}, None
        for setting in args.settings:
            staleness, cap = setting.split(":")
            runs = rows[setting] = [learn(args, folder, int(staleness), float(cap), seed)
                                    for seed in range(1, args.seeds + 1)]
            gold = [r["gold"] for r in runs]
            mean, error = statistics.mean(gold), standard_error(gold)
            base = base or (mean, error)
            away = (mean - base[0]) / math.hypot(error, base[1]) if setting != args.settings[0] else 0
            print(f"max_staleness {staleness:>2} cap {cap}  gold {mean:.3f} +- {error:.3f}  {away:+.1f} s.e.  "
                  f"mean staleness {statistics.mean(r['staleness_mean'] for r in runs):.2f}  "
                  f"effective share {statistics.mean(r['effective_share'] for r in runs):.2f}  "
                  f"({', '.join(f'{g:.3f}' for g in gold)})", flush=True)
    save_results("async_study", arguments=arguments(args), initial=initial, rows=rows)


if __name__ == "__main__":
    main()
