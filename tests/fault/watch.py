"""Looks at a running loop all the time, without a part in it."""

import json
import os
import pathlib
import re
import threading
import time
import urllib.error
import urllib.request

LOOK_SECONDS = 0.05
SAMPLE_SECONDS = 1
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
# Who serves /metrics where, by the names of LiveRun.names.
METRICS = {"up": "up_metrics", "learner": "learner_metrics",
           "actor": "actor_metrics", "reward-server": "rewards_metrics",
           "refresher": "refresher_metrics", "feedback": "page",
           "crowd": "crowd_metrics"}


def series(text):
    """{(name, ((label, value), …)): number} of Prometheus' text format."""
    found = {}
    for line in text.splitlines():
        match = re.match(r"(\w+)(?:\{(.*)\})? (\S+)$", line)
        if match:
            labels = tuple(sorted(re.findall(r'(\w+)="([^"]*)"',
                                             match.group(2) or "")))
            found[match.group(1), labels] = float(match.group(3))
    return found


def resources(pid):
    """(resident bytes, open descriptors); None if it has ended."""
    try:
        pages = pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]
        return int(pages) * PAGE_BYTES, len(os.listdir(f"/proc/{pid}/fd"))
    except (OSError, IndexError):
        return None


class Watch(threading.Thread):
    """Until stop(): when updates come, what processes take, and how many
    answers were acknowledged to the simulated workers."""

    def __init__(self, run):
        super().__init__(daemon=True)
        self._run = run
        self._stopped = threading.Event()
        self._offset = 0
        self.updates = []  # (time, number, version of the PM)
        self.lives = {}  # role -> pid -> [(time, bytes, descriptors)]
        self.crowd = {}  # (pid of the crowd, worker) -> answers
        self.furthest = 0
        self.comparisons = 0  # in the log, as last seen
        # What ended the watch, if anything but stop() did.
        self.error = None

    def run(self):
        next_sample = 0
        try:
            while not self._stopped.wait(LOOK_SECONDS):
                self._read_updates()
                if time.monotonic() >= next_sample:
                    next_sample = time.monotonic() + SAMPLE_SECONDS
                    self._sample()
        except Exception as error:  # the main thread tells it
            self.error = error

    def stop(self):
        self._stopped.set()
        self.join()

    def metrics(self, role):
        """The series of a role; {} if it does not answer."""
        where = str(self._run.names[METRICS[role]])
        port = where.rpartition(":")[2]
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics",
                                        timeout=2) as answer:
                return series(answer.read().decode())
        except (urllib.error.URLError, OSError, ValueError):
            return {}

    def starts(self, role):
        return len(self.lives.get(role, {}))

    def _read_updates(self):
        path = self._run.directory / "metrics.jsonl"
        if not path.exists():
            return
        with open(path, "rb") as file:
            file.seek(self._offset)
            data = file.read()
        whole = data[:data.rfind(b"\n") + 1]
        self._offset += len(whole)
        for line in whole.splitlines():
            update = json.loads(line)
            number = int(update["update"])
            self.updates.append((time.monotonic(), number,
                                 int(update["pm"]["version"])))
            self.furthest = max(self.furthest, number)

    def _sample(self):
        now = time.monotonic()
        pids = self._run.pids()
        for role, pid in pids.items():
            taken = resources(pid)
            if taken is not None:
                life = self.lives.setdefault(role, {}).setdefault(pid, [])
                life.append((now, *taken))
        for (name, labels), value in self.metrics("crowd").items():
            if name == "rlhf_crowd_answers_total" and "crowd" in pids:
                key = pids["crowd"], dict(labels)["worker_id"]
                self.crowd[key] = max(self.crowd.get(key, 0), int(value))
        stored = self.metrics("feedback").get(("rlhf_comparisons_stored", ()))
        if stored is not None:
            self.comparisons = int(stored)
