#!/usr/bin/env python3
"""The whole loop on small random models, while faults strike by schedule.

    make soak                                   # 30 minutes, a fault every 20 s
    tests/fault/soak.py --minutes 2 --seed 7

Prints the seed first: the same seed makes the same schedule. Waits for TRAFFIC,
then inflicts a fault every --every seconds and waits after each until the loop
goes on; then stops the run and judges what it left behind. docs/soak.md says what
is judged. Exits with 0; with 1 if an invariant is violated; with 2 if there was
too little traffic before the first fault, as such a run proves nothing.
"""

import argparse
import json
import pathlib
import random
import re
import shutil
import sys
import tempfile
import time

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1] / "live")]

import figures  # noqa: E402
import judge  # noqa: E402
from faults import Faults, passed, transitions  # noqa: E402
from journals import read_batches  # noqa: E402
from live_run import LiveRun  # noqa: E402
from people import NAME, Person  # noqa: E402
from schedule import draw  # noqa: E402
from watch import Watch  # noqa: E402

# Before the first fault.
TRAFFIC = {"updates": 50, "comparisons": 100, "PM swaps": 1}
TRAFFIC_SECONDS = 120
# After each fault an update got further, somebody's answer was acknowledged and
# the role that was struck answers.
RECOVERY_SECONDS = 30
LEAST_EFFECTIVE = 0.9
MOST_MIB_PER_MINUTE = 1
# A peer that is just being connected to again has two.
MOST_DESCRIPTORS = 2
# kStoppedEarly of core/launch/exit_codes.h: every role ended well, and the run
# was not finished.
STOPPED_EARLY = 5

CHECKPOINT_EVERY = 4
MAX_STALENESS = 1
SETTINGS = [
    f"learner.checkpoint_every={CHECKPOINT_EVERY}",
    f"ppo.max_staleness={MAX_STALENESS}",
    # The initial policy has no rollouts that it sampled ahead.
    "ppo.on_swap.restart_policy=false",
    # What a killed actor had in hand is given out again after so long: many times
    # what a batch takes.
    "learner.lease_seconds=3",
    # A refresh does not take longer the more comparisons there are.
    "preference.refresh_mode=WARM_START", "preference.replay_share=0.1",
    # Full soon: what fills a bounded cache is no leak.
    "reward_server.score_cache_mib=1",
]


class Soak:
    """One run in `folder`."""

    def __init__(self, args, seed, folder):
        self.args, self.seed = args, seed
        self.run = LiveRun(folder)
        self.watch = Watch(self.run)
        self.person = Person(self.run.names["page"])
        self.faults = Faults(self.run, self.watch, self.person, seed)
        self.before = {}  # the traffic before the first fault
        self.outcomes = []  # (fault, seconds or None, error)
        self.began = self.ended = None  # of the faults
        self.restarts = {}
        self.rows = []  # of the log
        self.code = None

    def traffic(self):
        updates = list(self.watch.updates)
        pms = [pm for _, _, pm in updates]
        return {"updates": self.watch.furthest,
                "comparisons": self.watch.comparisons,
                "PM swaps": sum(a != b for a, b in zip(pms, pms[1:]))}

    def wait_for_traffic(self):
        """What is missing when the time is over, in words; "" if nothing."""
        deadline = time.monotonic() + TRAFFIC_SECONDS
        while time.monotonic() < deadline:
            self.look()
            if not judge.shortfall(self.traffic(), TRAFFIC):
                break
            time.sleep(0.2)
        return judge.shortfall(self.traffic(), TRAFFIC)

    def look(self):
        """Raises if the run has ended, or the watch."""
        self.run.is_up()
        if self.watch.error is not None:
            raise RuntimeError(f"the watch ended: {self.watch.error!r}")

    def strike(self, fault):
        """Inflicts a fault and waits for the recovery; its outcome."""
        struck = self.run.pids().get(fault.role)
        error = self.faults.inflict(fault)
        began = time.monotonic()
        furthest = self.watch.furthest
        answered = len(self.person.acknowledged)
        while time.monotonic() < began + RECOVERY_SECONDS:
            self.look()
            if (self.watch.furthest > furthest and
                    len(self.person.acknowledged) > answered and
                    self.is_back(fault, struck)):
                return str(fault), time.monotonic() - began, error
            time.sleep(0.05)
        return str(fault), None, error

    def is_back(self, fault, struck):
        """Whether the role that was struck runs and answers."""
        if not fault.role:
            return True
        pid = self.run.pids().get(fault.role)
        return (pid is not None and (fault.kind != "kill" or pid != struck) and
                bool(self.watch.metrics(fault.role)))

    def storm(self):
        self.began = time.monotonic()
        for fault in draw(self.seed, self.args.minutes, self.args.every):
            time.sleep(max(0, self.began + fault.at - time.monotonic()))
            at = time.monotonic() - self.began
            self.outcomes.append(self.strike(fault))
            _, seconds, error = self.outcomes[-1]
            recovered = "NOT RECOVERED" if seconds is None else \
                f"recovered in {seconds:5.2f} s"
            print(f"{fault.number:4d}  {at:7.1f} s  {str(fault):22s} "
                  f"{recovered}  {error}".rstrip(), flush=True)
        end = self.began + self.args.minutes * 60
        while time.monotonic() < end:
            self.look()
            time.sleep(0.2)

    def finish(self):
        """Ends the run; what is counted by processes is read before."""
        self.ended = time.monotonic()
        self.person.stop()
        for (name, labels), value in self.watch.metrics("up").items():
            if name == "rlhf_restarts_total":
                label = dict(labels)
                self.restarts[label["component"], label["reason"]] = value
        self.watch.stop()
        self.code = self.run.stop()

    def judged(self):
        """Every Verdict."""
        watch, faults, ask = self.watch, self.faults, self.run.ask
        path = self.run.directory / "metrics.jsonl"
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        history = transitions(self.run)
        versions = {int(line["pm"]["version"]) for line in lines}
        digests = {v: self.run.card(v)["digest"] for v in versions}
        records = [json.loads(line) for line in
                   ask("control", "list", "--json").splitlines()]
        share, lost = figures.effective_time(
            figures.furthest([(t, n) for t, n, _ in watch.updates]),
            self.began, self.ended, faults.pauses)
        return [
            judge.all_recovered(self.outcomes, RECOVERY_SECONDS),
            judge.effective(share, lost, LEAST_EFFECTIVE),
            self.comparisons_kept(),
            judge.batches_kept(self.rows, faults.batches),
            judge.updates_in_order(lines, watch.starts("learner"),
                                   CHECKPOINT_EVERY),
            judge.versions_rise(lines),
            judge.staleness_bounded(lines, MAX_STALENESS),
            judge.rollouts_once(read_batches(self.run.directory)),
            judge.one_pm_per_batch(lines, history, digests),
            judge.promotions_allowed(history, set(passed(self.run)),
                                     faults.promotions),
            judge.orders_kept(records, faults.orders),
            judge.nobody_died(self.run.log(), faults.killed),
            judge.restarts_counted(self.restarts, faults.killed),
            *self.resources_steady(),
            judge.ended_in_order(self.code, STOPPED_EARLY),
        ]

    def comparisons_kept(self):
        said = self.run.ask("feedback", "verify")
        total, retracted = re.match(
            r"([\d,]+) comparisons?, ([\d,]+) of them retracted.*chain holds",
            said).groups()
        self.rows = list(self.run.export().values())
        crowd = {}
        for (_, worker), count in self.watch.crowd.items():
            crowd[worker] = crowd.get(worker, 0) + count
        return judge.comparisons_kept(
            self.rows, self.person.acknowledged, crowd,
            tuple(int(n.replace(",", "")) for n in (total, retracted)))

    def resources_steady(self):
        for role, lives in self.watch.lives.items():
            samples = list(lives.values())
            yield judge.memory_steady(role, *figures.memory_slope(samples),
                                      MOST_MIB_PER_MINUTE)
            yield judge.descriptors_steady(
                role, figures.descriptor_growth(samples), MOST_DESCRIPTORS)


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30,
                        help="how long faults strike")
    parser.add_argument("--every", type=float, default=20,
                        help="seconds between faults")
    parser.add_argument("--seed", type=int,
                        help="of the schedule; drawn if not given")
    parser.add_argument("--json", type=pathlib.Path,
                        help="file for all of it, to be read by programs")
    return parser.parse_args()


def tell(soak, verdicts, path):
    """The table, and the same as JSON."""
    words = {True: "holds", False: "VIOLATED", None: "not judged"}
    width = max(len(v.invariant) for v in verdicts)
    print()
    for v in verdicts:
        print(f"{v.invariant:{width}}  {words[v.holds]:10}  {v.figure}")
    if path is None:
        return
    path.write_text(json.dumps({
        "seed": soak.seed, "minutes": soak.args.minutes,
        "every": soak.args.every, "traffic_before": soak.before,
        "faults": [{"fault": f, "recovery_seconds": s, "error": e}
                   for f, s, e in soak.outcomes],
        "invariants": [{"invariant": v.invariant, "holds": v.holds,
                        "figure": v.figure} for v in verdicts]}, indent=1))


def soak_in(folder, args, seed):
    """The exit code."""
    soak = Soak(args, seed, folder)
    soak.run.start(*SETTINGS)
    soak.watch.start()
    soak.person.start()
    verdicts = []
    try:
        missing = soak.wait_for_traffic()
        soak.before = soak.traffic()
        print(f"before the first fault: {soak.before}", flush=True)
        if missing:
            print(f"INVALID, not passed: {missing} within {TRAFFIC_SECONDS} s")
            return 2
        try:
            soak.storm()
        except RuntimeError as error:
            verdicts.append(judge.Verdict("the run goes on", False,
                                          str(error)))
        soak.finish()
        verdicts += soak.judged()
    finally:
        soak.run.stop()
    tell(soak, verdicts, args.json)
    return 1 if any(v.holds is False for v in verdicts) else 0


def main():
    args = arguments()
    seed = args.seed if args.seed is not None else \
        random.SystemRandom().randrange(2**31)
    print(f"seed {seed}: again with tests/fault/soak.py --minutes "
          f"{args.minutes:g} --every {args.every:g} --seed {seed}", flush=True)
    folder = tempfile.mkdtemp(prefix="rlhf-soak-")
    code = soak_in(folder, args, seed)
    if code == 0:
        shutil.rmtree(folder)
    else:
        print(f"the run is kept in {folder}")
    return code


if __name__ == "__main__":
    sys.exit(main())
