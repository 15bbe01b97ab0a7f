"""Keeps other processes out of measurements: a repetition starts only when the
machine is quiet and is thrown away when it was disturbed.

Ours is the process that measures and whatever descends from it. What all others use
is counted in cores, time that the hypervisor gave to other machines included. Time in
interrupts is nobody's: a transfer over loopback causes it.
"""
import dataclasses
import os
import pathlib
import sys
import time

TICKS = os.sysconf("SC_CLK_TCK")
# Clocks of processes and of the machine are read one after the other.
SLACK_TICKS = 3


class NotQuiet(RuntimeError):
    """The patience is over; says who used the machine."""


@dataclasses.dataclass(frozen=True)
class Process:
    name: str
    parent: int
    own: int  # ticks it used itself
    reaped: int  # ticks of its children that have ended


@dataclasses.dataclass(frozen=True)
class Look:
    """What had been used by one moment."""
    seconds: float
    used: int  # ticks of all processes
    stolen: int  # ticks
    processes: dict  # by process id


def parse_machine(text):
    """Ticks used by processes, and stolen, of the first line of /proc/stat."""
    user, nice, system, _, _, _, _, steal = [int(field) for field in text.splitlines()[0].split()[1:9]]
    return user + nice + system, steal


def parse_process(text):
    """A line of /proc/PID/stat. The name may hold spaces and brackets."""
    head, _, tail = text.rpartition(")")
    fields = tail.split()
    return Process(name=head.partition("(")[2], parent=int(fields[1]),
                   own=int(fields[11]) + int(fields[12]), reaped=int(fields[13]) + int(fields[14]))


def look():
    processes = {}
    for folder in pathlib.Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                processes[int(folder.name)] = parse_process((folder / "stat").read_text())
            except (FileNotFoundError, ProcessLookupError):  # it has ended
                continue
    return Look(time.monotonic(), *parse_machine(pathlib.Path("/proc/stat").read_text()), processes)


def family(processes, root):
    """The ids of `root` and all that descend from it."""
    def descends(pid):
        while pid in processes and pid != root:
            pid = processes[pid].parent
        return pid == root
    return {pid for pid in processes if descends(pid)}


def family_ticks(processes, root):
    """All that the family has ever used. A process that ends leaves its ticks to its
    parent, so that none is lost or counted twice."""
    return sum(processes[pid].own + processes[pid].reaped for pid in family(processes, root))


def others_cores(before, after, root):
    """Cores that others used between two looks."""
    ours = family_ticks(after.processes, root) - family_ticks(before.processes, root)
    ticks = after.used - before.used - ours + after.stolen - before.stolen
    return max(0, ticks - SLACK_TICKS) / TICKS / max(after.seconds - before.seconds, 1e-9)


def busiest(before, after, root, count=3):
    """Who the others are, the busiest first: "cc1plus 0.94 cores, …"."""
    seconds = max(after.seconds - before.seconds, 1e-9)
    ours = family(after.processes, root)
    cores = {}
    for pid, process in after.processes.items():
        if pid not in ours:
            earlier = before.processes.get(pid)
            ticks = process.own - (earlier.own if earlier else 0)
            cores[process.name] = cores.get(process.name, 0) + ticks / TICKS / seconds
    if after.stolen > before.stolen:
        cores["(other machines on this host)"] = (after.stolen - before.stolen) / TICKS / seconds
    names = sorted(cores, key=cores.get, reverse=True)[:count]
    return ", ".join(f"{name} {cores[name]:.2f} cores" for name in names if cores[name] >= 0.01) or "short-lived ones"


class QuietMachine:
    """`limit` is how many cores others may use before a repetition, `disturbed` how
    many during one that counts; `patience` the seconds that a wait may take."""

    def __init__(self, limit=0.2, disturbed=0.25, patience=600, tries=5, look=look, sleep=time.sleep):
        self._limit, self._disturbed, self._patience, self._tries = limit, disturbed, patience, tries
        self._look, self._sleep, self._root = look, sleep, os.getpid()
        self.num_thrown_away = 0

    def wait(self):
        """Until a second was quiet. Says once whom it waits for."""
        before = begin = self._look()
        said = False
        while True:
            self._sleep(1.0)
            after = self._look()
            cores = others_cores(before, after, self._root)
            if cores < self._limit:
                return
            who = busiest(before, after, self._root)
            if after.seconds - begin.seconds > self._patience:
                raise NotQuiet(f"other processes used {cores:.2f} cores for {self._patience} s, "
                               f"less than {self._limit} were wanted: {who}")
            if not said:
                print(f"  waiting for a quiet machine: {who}", file=sys.stderr, flush=True)
                said = True
            before = after

    def run(self, repetition):
        """What an undisturbed call of `repetition` returned."""
        for _ in range(self._tries):
            self.wait()
            before = self._look()
            result = repetition()
            after = self._look()
            cores = others_cores(before, after, self._root)
            if cores <= self._disturbed:
                return result
            self.num_thrown_away += 1
            print(f"  thrown away: others used {cores:.2f} cores: {busiest(before, after, self._root)}",
                  file=sys.stderr, flush=True)
        raise NotQuiet(f"{self._tries} repetitions in a row were disturbed")
