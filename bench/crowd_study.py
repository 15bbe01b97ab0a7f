#!/usr/bin/env python3
"""Runs the studies of simulated crowds and keeps their figures.

    make && python3 bench/crowd_study.py [gate|worker|poison] [ARGUMENTS]

Each is a program (gate_study.cc, worker_study.cc, poison_study.cc) that uses all
cores and takes ARGUMENTS; all three run with their own settings if none is named.
Writes bench/results/STUDY.json, named with the batches' size for poison, and prints
the table that the documents show. Poison that drips in, ten comparisons at a time:

    python3 bench/crowd_study.py poison 50 1000 10
"""
import argparse
import json
import pathlib
import subprocess

from machine import save_results
from small_run import ROOT


def gate_table(found):
    n = found["rounds"]
    return [f"| candidate | refused | accuracy, mean ({found['held_out_pairs']} held-out pairs) |", "|---|---|---|",
            f"| 30 % of its labels flipped | {found['flipped_refused']} of {n} | {found['flipped_accuracy_mean']:.3f} |",
            f"| as good as the serving PM | {found['equal_refused']} of {n} | {found['equal_accuracy_mean']:.3f} |",
            f"| (the serving PM) | | {found['serving_accuracy_mean']:.3f} |"]


def worker_table(found):
    def points(row, field):
        return f"{row[field]['mean']:+.2f} ± {row[field]['standard_error']:.2f}"

    rows = [f"| a fifth of the workers | worker model | accuracy | costs, points ({found['seeds']} seeds, ± s.e.) "
            "| costs, points of finding the better one | temperature of good and bad workers |", "|---|---|---|---|---|---|"]
    for row in found["conditions"]:
        warmth = f"{row['good_temperature']:.2f}, {row['bad_temperature']:.2f}" if row["worker_model"] else ""
        rows.append(f"| {row['bad_workers']} | {'yes' if row['worker_model'] else 'no'} | {row['accuracy']['mean']:.3f} "
                    f"| {points(row, 'accuracy_cost_points')} | {points(row, 'truth_cost_points')} | {warmth} |")
    return rows


def drips_in(found):
    return found["part"] < found["size"]


def poison_name(found):
    return f"poison_{found['size']}" + (f"_by_{found['part']}" if drips_in(found) else "")


def poison_table(found):
    clean = found["clean"]
    drips = f", {found['part']} at a time" if drips_in(found) else ""
    rows = [f"Of {clean['batches']} clean batches of {found['size']} comparisons{drips}, {clean['seen']} did not pass.", "",
            "| poison | by | 1 % | 5 % | 30 % | seen by, at 30 % |", "|---|---|---|---|---|---|"]
    kinds = {}
    for row in found["rows"]:
        kinds.setdefault((row["poison"], row["by"]), []).append(row)
    for (poison, by), row_by_rate in kinds.items():
        row_by_rate.sort(key=lambda row: row["rate"])
        shares = " | ".join(f"{100 * row['seen'] / row['batches']:.1f} %" for row in row_by_rate)
        checks = sorted(row_by_rate[-1]["by_check"].items(), key=lambda check: -check[1])
        named = ", ".join(f"`{name}`" for name, count in checks if count > row_by_rate[-1]["batches"] / 20)
        rows.append(f"| {poison} | {by} | {shares} | {named} |")
    return rows


TABLES = {"gate": gate_table, "worker": worker_table, "poison": poison_table}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", nargs="?", choices=list(TABLES))
    parser.add_argument("arguments", nargs="*", help="of the program")
    parser.add_argument("--bench-dir", type=pathlib.Path, default=ROOT / "build/release/bench")
    args = parser.parse_args()
    for study in [args.study] if args.study else TABLES:
        done = subprocess.run([args.bench_dir / f"{study}_study", *args.arguments], check=True, stdout=subprocess.PIPE)
        found = json.loads(done.stdout)
        name = poison_name(found) if study == "poison" else study
        save_results(f"{name}_study", **found)
        print("\n".join(TABLES[study](found)), flush=True)


if __name__ == "__main__":
    main()
