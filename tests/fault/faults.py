"""Does to a running loop what a Fault says."""

import json
import os
import random
import re
import signal
import socket
import subprocess
import time

from live_run import BINARY, ENVIRONMENT
from people import BATCH, write_batch
from watch import METRICS

# A second process of a role has to see by then that there is one.
SECOND_SECONDS = 30
REASON = ["--by", "soak", "--reason", "a fault by schedule"]
PORTS = ("learner", "actor", "rewards", "refresher", "feedback", "page",
         *(name for name in METRICS.values() if name != "page"))


class Faults:
    """What was done is remembered for the judge."""

    def __init__(self, run, watch, person, seed):
        self._run, self._watch, self._person = run, watch, person
        self._seed = seed
        self.killed = {}  # role -> times
        self.pauses = []  # (begin, end) of ordered ones
        self.orders = 0  # to the learner, answered
        self.promotions = set()  # versions that were ordered to serve
        self.batches = {}  # batch -> comparisons that it must still have

    def inflict(self, fault):
        """Returns what went wrong in words, or ""; recovery is not waited
        for."""
        try:
            return getattr(self, "_" + fault.kind)(fault) or ""
        except (RuntimeError, subprocess.TimeoutExpired) as error:
            return f"{fault}: {error}"

    def _pid(self, role):
        """Of its process; waits for one that is being started again."""
        deadline = time.monotonic() + SECOND_SECONDS
        while time.monotonic() < deadline:
            pid = self._run.pids().get(role)
            if pid is not None:
                return pid
            time.sleep(0.1)
        raise RuntimeError(f"there is no {role}")

    def _kill(self, fault):
        os.kill(self._pid(fault.role), signal.SIGKILL)
        self.killed[fault.role] = self.killed.get(fault.role, 0) + 1

    def _stop(self, fault):
        pid = self._pid(fault.role)
        os.kill(pid, signal.SIGSTOP)
        try:
            time.sleep(fault.seconds)
        finally:
            os.kill(pid, signal.SIGCONT)

    def _second(self, fault):
        """It has to end by itself, and to say that it failed."""
        config = str(self._run.directory / "config.txtpb")
        words = [config] if fault.role == "crowd" else ["--config", config]
        done = subprocess.Popen(
            [BINARY, fault.role, *words], env=ENVIRONMENT,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            code = done.wait(SECOND_SECONDS)
        except subprocess.TimeoutExpired:
            done.kill()
            done.wait()
            return f"a second {fault.role} runs beside the first"
        return "" if code > 0 else f"a second {fault.role} ended with {code}"

    def _order(self, *words):
        self._run.ask("control", *words, *REASON)
        self.orders += 1

    def _pause(self, fault):
        self._order("pause")
        began = time.monotonic()
        time.sleep(fault.seconds)
        self._order("resume")
        self.pauses.append((began, time.monotonic()))

    def _set(self, fault):
        self._order("set", f"ppo.kl_coefficient={0.001 + 0.01 * fault.pick}")

    def _checkpoint(self, _):
        self._order("checkpoint")

    def _bring(self, fault):
        """Imports a batch; its name."""
        path = self._run.folder / f"batch-{fault.number}.jsonl"
        write_batch(path, f"{self._seed}-{fault.number}")
        report = self._run.ask("feedback", "import", str(path))
        batch = re.search(r"^batch (b-\w+)", report, re.MULTILINE).group(1)
        if ": quarantined" in report:
            self._run.ask("feedback", "release", batch, *REASON)
        self.batches[batch] = BATCH
        return batch

    def _import(self, fault):
        self._bring(fault)

    def _retract(self, fault):
        batch = self._bring(fault)
        time.sleep(fault.seconds)
        self._run.ask("feedback", "retract", "--batch", batch, *REASON)
        self.batches[batch] = 0

    def _promote(self, fault):
        serving = transitions(self._run)[-1]["aliases"]["serving"]
        others = [v for v in passed(self._run) if v != serving]
        version = others[int(fault.pick * len(others))]
        self.promotions.add(version)
        self._run.ask("pm", "promote", str(version), *REASON)

    def _rollback(self, _):
        said = self._run.ask("pm", "rollback", *REASON)
        self.promotions.add(int(re.search(r"version (\d+)", said).group(1)))

    def _repeat(self, _):
        statuses = self._person.again(20)
        return "" if set(statuses) == {200} else \
            f"sent again, an answer was met with {sorted(set(statuses))}"

    def _garbage(self, fault):
        random_ = random.Random(fault.pick)
        starts = [b"", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
                  b"POST /api/comparison HTTP/1.1\r\nHost: localhost\r\n"
                  b"Content-Length: -1\r\n\r\n"]
        for name in PORTS:
            port = int(str(self._run.names[name]).rpartition(":")[2])
            for start in starts:
                send(port, start + random_.randbytes(4096))


def transitions(run):
    """The signed log of the PMs' registry, whose signatures are proven."""
    return [json.loads(line) for line in
            run.ask("pm", "history", "--json").splitlines()]


def passed(run):
    """Versions that the gate let pass."""
    return [int(v) for v in re.findall(r"^v(\d+) .* promoted$",
                                       run.ask("pm", "list"), re.MULTILINE)]


def send(port, data):
    """As somebody does who does not care for the answer."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as peer:
            peer.sendall(data)
    except OSError:  # it hung up, which is its right
        pass
