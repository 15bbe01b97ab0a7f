#!/usr/bin/env python3
"""Runs poison_study and keeps its figures in bench/results/poison.json.

    python3 bench/poison_study.py [BATCHES] [SIZE]
"""
import json
import pathlib
import subprocess
import sys

import machine

STUDY = pathlib.Path(__file__).resolve().parent.parent / "build/release/bench/poison_study"


def main():
    done = subprocess.run([STUDY, *sys.argv[1:]], check=True, stdout=subprocess.PIPE)
    machine.save_results("poison", **json.loads(done.stdout))


if __name__ == "__main__":
    main()
