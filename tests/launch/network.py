"""Hosts of one network on this machine: a network namespace each, and a switch.

A process on a host has this machine's disk, but names, processes and interfaces
of its own, so that it reaches others over the network alone. For root.
"""

import contextlib
import os
import pathlib
import signal
import subprocess

NET = "10.77.0"
STOP_SECONDS = 20

# Programs of the packet filter (BPF), whose result drops a packet or not. Any
# kernel has it; few that are made for virtual machines have netem.
DROP_ALL = "1,6 0 0 2"
# By a random number of 32 bits that is at least LIMIT.
DROP_SOME = "4,32 0 0 4294963256,53 0 1 {limit},6 0 0 2,6 0 0 0"

# What a process of a host sees before it begins.
ENTER = """
hostname "$1" && mount --bind "$2" /etc/hosts && shift 2 && exec "$@"
"""


def missing():
    """What this machine lacks for it, in words; "" if nothing."""
    if os.geteuid() != 0:
        return "network namespaces are for root"
    try:
        with contextlib.closing(Network("/tmp", ["probe"])) as network:
            network.cut("probe")
    except (OSError, subprocess.CalledProcessError) as error:
        return f"no network namespaces here: {getattr(error, 'stderr', error)}"
    return ""


def call(*words):
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    return done.stdout


class Process:
    """A program on a host; `log` holds what it writes, of all its starts."""

    def __init__(self, words, log):
        self.log = log
        self._begin = log.stat().st_size if log.exists() else 0
        self._asked = False
        with open(log, "ab") as out:
            self._unshare = subprocess.Popen(words, stdout=out, stderr=out)

    def said(self):
        """What it has written since it was started."""
        with open(self.log, "rb") as log:
            log.seek(self._begin)
            return log.read().decode(errors="replace")

    def has_ended(self):
        return self._unshare.poll() is not None

    def terminate(self):
        """SIGTERM, once: a second one ends a role without its drain."""
        if self._asked or self.has_ended():
            return
        self._asked = True
        # `unshare` waits for the program, its only child.
        of_unshare = f"/proc/{self._unshare.pid}/task/{self._unshare.pid}"
        for pid in pathlib.Path(of_unshare, "children").read_text().split():
            os.kill(int(pid), signal.SIGTERM)

    def stop(self):
        """SIGTERM; returns the exit code."""
        self.terminate()
        try:
            return self._unshare.wait(STOP_SECONDS)
        finally:
            self._unshare.kill()  # and what runs in it
            self._unshare.wait()


class Network:
    """Hosts by name, at NET.1 and so on; each knows the others' names."""

    def __init__(self, folder, hosts):
        self.folder = pathlib.Path(folder)
        self.addresses = {host: f"{NET}.{number}"
                          for number, host in enumerate(hosts, 1)}
        self._prefix = f"rlhf{os.getpid()}-"
        self._names = self.folder / f"{self._prefix}hosts"
        self._made = []
        self._processes = []
        try:
            self._make()
        except BaseException:
            self.close()
            raise

    def _make(self):
        self.write_names()
        self._add_namespace("switch")
        self._in("switch", "ip", "link", "add", "bridge", "type", "bridge")
        self._in("switch", "ip", "link", "set", "bridge", "up")
        for number, (host, address) in enumerate(self.addresses.items()):
            self._add_namespace(host)
            port = f"port{number}"
            self._in("switch", "ip", "link", "add", port, "type", "veth",
                     "peer", "name", "eth0", "netns", self._prefix + host)
            self._in("switch", "ip", "link", "set", port, "master", "bridge", "up")
            self._in("switch", "tc", "qdisc", "add", "dev", port, "clsact")
            self._in(host, "ip", "address", "add", f"{address}/24", "dev", "eth0")
            self._in(host, "ip", "link", "set", "eth0", "up")

    def _add_namespace(self, name):
        call("ip", "netns", "add", self._prefix + name)
        self._made.append(name)
        self._in(name, "ip", "link", "set", "lo", "up")

    def _in(self, name, *words):
        return call("ip", "netns", "exec", self._prefix + name, *words)

    def write_names(self):
        """Tells all hosts `self.addresses`."""
        # In place: processes see this very file.
        with open(self._names, "w", encoding="utf-8") as names:
            names.write("127.0.0.1 localhost\n")
            for host, address in self.addresses.items():
                names.write(f"{address} {host}\n")

    def start(self, host, log, *words):
        """Runs a program there."""
        self._processes.append(Process(
            ["nsenter", f"--net=/run/netns/{self._prefix}{host}",
             "unshare", "--mount", "--uts", "--pid", "--fork", "--mount-proc",
             "--kill-child", "sh", "-c", ENTER, "sh", host, self._names, *words],
            pathlib.Path(log)))
        return self._processes[-1]

    def ask(self, host, *words):
        """What a short program there prints."""
        return self._in(host, *words)

    def move(self, host, address):
        """Gives the host another address; its name follows."""
        old, self.addresses[host] = self.addresses[host], address
        # In this order: a second address of a network would go with the first.
        self._in(host, "ip", "address", "del", f"{old}/24", "dev", "eth0")
        self._in(host, "ip", "address", "add", f"{address}/24", "dev", "eth0")
        self.write_names()

    def cut(self, host):
        """The switch drops all that comes from there and goes there."""
        self._filter(host, DROP_ALL)

    def lose(self, host, share):
        """It drops that share of either, at random."""
        self._filter(host, DROP_SOME.format(limit=int((1 - share) * 2**32)))

    def _filter(self, host, program):
        for way in ("ingress", "egress"):
            self._in("switch", "tc", "filter", "add", "dev", self._port(host),
                     way, "bpf", "direct-action", "bytecode", program)

    def limit(self, host, rate):
        """`rate` as tc has it, "256kbit", in each direction."""
        for name, device in (("switch", self._port(host)), (host, "eth0")):
            self._in(name, "tc", "qdisc", "add", "dev", device, "root", "tbf",
                     "rate", rate, "burst", "4kb", "latency", "400ms")

    def mend(self, host):
        """Ends what `cut`, `lose` and `limit` did."""
        for way in ("ingress", "egress"):
            self._in("switch", "tc", "filter", "del", "dev", self._port(host), way)
        for name, device in (("switch", self._port(host)), (host, "eth0")):
            if "tbf" in self._in(name, "tc", "qdisc", "show", "dev", device):
                self._in(name, "tc", "qdisc", "del", "dev", device, "root")

    def _port(self, host):
        return f"port{list(self.addresses).index(host)}"

    def close(self):
        """Ends all that runs there."""
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.stop()
        for name in self._made:
            call("ip", "netns", "del", self._prefix + name)
        self._names.unlink(missing_ok=True)
