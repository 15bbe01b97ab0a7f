#!/usr/bin/env python3
"""Times the way of the weights: from the learner's float32 to the engines of actors on
this host, and over TCP between network namespaces beside iperf3.

    make bench       # or: python3 bench/weights_bench.py, the second part as root

Prints each figure beside its bar and writes bench/results/weights.json.
"""
import argparse
import contextlib
import os
import pathlib
import shutil
import sys
import tempfile

import peer_programs
from machine import arguments
from peer_process import PeerProcess
from quiet import NotQuiet, QuietMachine
from side_by_side import Bar, Report, Spread, interleave
from small_run import free_ports

MEGABYTES = 269  # SmolLM2-135M in bfloat16
HOST_BARS = {1: 80, 4: 100}  # ms, by actors
TCP_BARS = {1: 0.7, 3: 1.5}  # of iperf3's rate, by receivers
IPERF_SECONDS = 2
# As `rlhf up` lets threads spin where several processes compute (docs/decisions/0015).
SPIN = "2000"


class Host:
    """A learner and actors on this host, with the first version taken."""

    def __init__(self, args, folder, actors, stack):
        environment = peer_programs.our_environment(args.threads) | {"GOMP_SPINCOUNT": SPIN}
        address = f"127.0.0.1:{free_ports(1)[0]}"

        def start(role, number=0):
            return stack.enter_context(PeerProcess(
                (args.build / "bench/weights_bench", role, args.model, address),
                folder / f"{role}-{actors}-{number}.log", environment))

        self.learner = start("learner")
        self.actors = [start("actor", i) for i in range(actors)]

    def publish(self):
        """Milliseconds until the last actor's engine has the version, and until it is published."""
        sent = self.learner.ask()
        flips = [actor.read(60) for actor in self.actors]
        for flip in flips:
            if flip["version"] != sent["version"]:
                raise RuntimeError(f"version {sent['version']} was published, {flip['version']} was taken")
        return {"flip_ms": 1000 * (max(flip["flipped_s"] for flip in flips) - sent["began_s"]),
                "published_ms": 1000 * (sent["published_s"] - sent["began_s"])}


def run_host(args, folder, quiet, report):
    with contextlib.ExitStack() as stack:
        hosts = {actors: Host(args, folder, actors, stack) for actors in HOST_BARS}
        results = interleave({actors: host.publish for actors, host in hosts.items()}, args.repetitions, quiet)
    for actors, found in results.items():
        flip = Spread.of([r["flip_ms"] for r in found])
        sides = {"flip": flip, "of it until published": Spread.of([r["published_ms"] for r in found])}
        report.row(f"publish {MEGABYTES} MB to {actors} actor{'s' if actors > 1 else ''} on this host", flip.median,
                   Bar(HOST_BARS[actors], " ms", at_most=True), sides, "ms")


def why_no_tcp():
    if os.geteuid() != 0:
        return "network namespaces need root"
    missing = [program for program in ("ip", "iperf3") if shutil.which(program) is None]
    return f"not installed: {', '.join(missing)}" if missing else None


def run_tcp(args, folder, quiet, report):
    why = why_no_tcp()
    if why:
        return report.skip("publish over TCP", why)
    from publish_bench import Loop, Network, iperf
    program = str(args.build / "bench/publish_bench")
    with Network(max(TCP_BARS) + 1) as network:
        for receivers, bar in TCP_BARS.items():
            with Loop(network, program, str(folder), receivers, MEGABYTES) as loop:
                results = interleave({
                    "ours": lambda: receivers * MEGABYTES / 1e3 / loop.publish(),
                    "iperf3": lambda: iperf(network, IPERF_SECONDS) / 1e9}, args.repetitions, quiet)
            rates = {name: Spread.of(found) for name, found in results.items()}
            what = "one receiver" if receivers == 1 else f"the sum over {receivers} receivers"
            report.ratio(f"publish over TCP, {what},", rates, Bar(bar, "%"), "GB/s", against="iperf3")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    peer_programs.add_arguments(parser)
    parser.add_argument("--parts", nargs="*", default=["host", "tcp"], choices=["host", "tcp"])
    args = parser.parse_args()
    quiet = QuietMachine(patience=args.patience)
    report = Report("weights", quiet, arguments=arguments(args), megabytes=MEGABYTES)
    with tempfile.TemporaryDirectory() as name:
        try:
            if "host" in args.parts:
                run_host(args, pathlib.Path(name), quiet, report)
            if "tcp" in args.parts:
                run_tcp(args, pathlib.Path(name), quiet, report)
        except NotQuiet as error:
            sys.exit(f"stopped: {error}; what was measured is in bench/results/weights.json")


if __name__ == "__main__":
    main()
