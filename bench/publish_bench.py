#!/usr/bin/env python3
"""Publishing weights over TCP between network namespaces, beside iperf3 over the same link.

    sudo python3 bench/publish_bench.py

A bridge joins one namespace for the learner and one for each receiver. Prints,
as medians, the rate of iperf3, of a publish to one receiver, and of one to
several as the sum over them: from the publish until the last one has proven
every bucket. iperf3 runs before every repetition, so that all see the machine
in the same state.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

from machine import arguments, save_results

BRIDGE = "rlhfbench"


def ip(*words):
    subprocess.run(["ip", *words], check=True)


def inside(namespace, *command, **options):
    return subprocess.Popen(["ip", "netns", "exec", namespace, *command], text=True, **options)


class Network:
    """A bridge and namespaces on it, of addresses 10.77.0.1 and so on; gone when left."""

    def __init__(self, count):
        self.names = [f"{BRIDGE}{i}" for i in range(count)]

    def address(self, index):
        return f"10.77.0.{index + 1}"

    def __enter__(self):
        ip("link", "add", BRIDGE, "type", "bridge")
        ip("link", "set", BRIDGE, "up")
        for index, name in enumerate(self.names):
            ip("netns", "add", name)
            ip("link", "add", f"{name}h", "type", "veth", "peer", "name", "eth0", "netns", name)
            ip("link", "set", f"{name}h", "master", BRIDGE, "up")
            for words in (["addr", "add", f"{self.address(index)}/24", "dev", "eth0"],
                          ["link", "set", "eth0", "up"], ["link", "set", "lo", "up"]):
                ip("-n", name, *words)
        return self

    def __exit__(self, *_):
        for name in self.names:
            subprocess.run(["ip", "netns", "del", name], check=False)
        subprocess.run(["ip", "link", "del", BRIDGE], check=False)


def iperf(network, seconds):
    """Bytes per second from the learner's namespace to the first receiver's."""
    server = inside(network.names[1], "iperf3", "-s", "-1", "--forceflush", stdout=subprocess.PIPE)
    try:
        for line in server.stdout:
            if "listening" in line:
                break
        client = inside(network.names[0], "iperf3", "-c", network.address(1), "-t", str(seconds), "-J",
                        stdout=subprocess.PIPE)
        report = json.loads(client.communicate()[0])
        return report["end"]["sum_received"]["bits_per_second"] / 8
    finally:
        server.kill()
        server.wait()


def read(process, what):
    """The time that the next line tells, which has to be of `what`."""
    words = process.stdout.readline().split()
    if not words or words[0] != what:
        sys.exit(f"expected \"{what}\" from {process.args}, got {words}")
    return float(words[2])


class Loop:
    """A learner and receivers at work; ended when left."""

    def __init__(self, network, program, folder, receivers, megabytes):
        socket = os.path.join(folder, f"grpc{receivers}")
        pipes = {"stdout": subprocess.PIPE, "stdin": subprocess.PIPE}
        self.learner = inside(network.names[0], program, "learner", socket, network.address(0), str(megabytes), **pipes)
        read(self.learner, "ready")
        self.receivers = [inside(name, program, "receiver", socket, network.address(0), stdout=subprocess.PIPE)
                          for name in network.names[1:receivers + 1]]
        for receiver in self.receivers:
            read(receiver, "ready")

    def __enter__(self):
        return self

    def publish(self):
        """Seconds until every receiver has it."""
        self.learner.stdin.write("\n")
        self.learner.stdin.flush()
        begin = read(self.learner, "published")
        return max(read(receiver, "whole") for receiver in self.receivers) - begin

    def __exit__(self, *_):
        self.learner.stdin.close()
        for process in [self.learner, *self.receivers]:
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def measure(network, args, folder, receivers):
    """Pairs of iperf3's rate and the sum of the receivers', in bytes per second."""
    pairs = []
    with Loop(network, str(args.program), folder, receivers, args.megabytes) as loop:
        loop.publish()  # the first one meets cold memory
        for _ in range(args.repetitions):
            reference = iperf(network, args.iperf_seconds)
            pairs.append((reference, receivers * args.megabytes * 1e6 / loop.publish()))
    return pairs


def main():
    root = pathlib.Path(__file__).resolve().parent.parent
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--program", type=pathlib.Path, default=root / "build/release/bench/publish_bench")
    parser.add_argument("--megabytes", type=int, default=269, help="of SmolLM2-135M in bfloat16")
    parser.add_argument("--receivers", type=int, default=3)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--iperf_seconds", type=int, default=2)
    args = parser.parse_args()
    results = {}
    with Network(args.receivers + 1) as network, tempfile.TemporaryDirectory() as folder:
        for receivers in sorted({1, args.receivers}):
            pairs = measure(network, args, folder, receivers)
            ratio = statistics.median(ours / theirs for theirs, ours in pairs)
            results[str(receivers)] = {"iperf3_bytes_per_second": [round(theirs) for theirs, _ in pairs],
                                       "sum_bytes_per_second": [round(ours) for _, ours in pairs],
                                       "median_ratio": round(ratio, 3)}
            print(f"{receivers} receivers: {statistics.median(ours for _, ours in pairs) / 1e9:.2f} GB/s in all, "
                  f"{ratio:.0%} of iperf3's {statistics.median(theirs for theirs, _ in pairs) / 1e9:.2f} GB/s")
    save_results("publish", arguments=arguments(args), receivers=results)


if __name__ == "__main__":
    main()
