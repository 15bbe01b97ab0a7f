#!/usr/bin/env python3
"""deploy/slurm on a real Slurm of four nodes: submitted, requeued, a node lost.

Exits 77 (CTest: skipped) where Slurm is not installed or cannot be started.
"""

import json
import os
import pathlib
import re
import shutil
import socket
import sys
import tempfile
import time
import unittest
import urllib.request

import slurm_cluster

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(SOURCE / "tests/live")]

from live_run import BINARY, LiveRun, wait_until  # noqa: E402
from small_run import free_ports  # noqa: E402

SLURM = SOURCE / "deploy/slurm"
# Far more than anything takes on two cores.
WAIT_SECONDS = 60
# Of the ports after the first that rlhf.sbatch uses, with two actors.
USED_PORTS = (1, 4, 5, 6, 80, 101, 104, 106, 110, 111, 200, 201, 300, 301, 302,
              303)


def is_free(port):
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_base():
    """A port after which those that the job uses are free."""
    start = 21000 + os.getpid() % 97 * 100
    for base in range(start, 60000, 400):
        if all(is_free(base + offset) for offset in USED_PORTS):
            return base
    raise RuntimeError("no free ports")


class SlurmTest(unittest.TestCase):

    def setUp(self):
        folder = tempfile.mkdtemp(prefix="rlhf-slurm-")
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        self.folder = pathlib.Path(folder)
        self.folder.chmod(0o755)
        self.cluster = slurm_cluster.SlurmCluster(folder, free_ports(1 + len(slurm_cluster.NODES)))
        self.addCleanup(self.cluster.stop)
        self.cluster.start()
        self.run_ = LiveRun(folder)
        self.directory = self.run_.directory
        self.settings = {"RLHF_BINARY": BINARY,
                         "RLHF_BASE_PORT": str(free_base())}
        self.wait(self.cluster.is_ready, "all nodes are idle")

    def wait(self, condition, what, seconds=WAIT_SECONDS):
        try:
            wait_until(condition, what, seconds)
        except (TimeoutError, RuntimeError) as error:
            raise AssertionError(f"{error}\n{self.logs()}") from None

    def logs(self):
        """The ends of what everybody wrote."""
        paths = [*self.folder.glob("*.log"), *self.folder.glob("*.out"),
                 *self.directory.glob("logs/*.log")]
        return "\n".join(
            "\n".join([f"--- {path}",
                       *path.read_text(errors="replace").splitlines()[-25:]])
            for path in sorted(paths))

    def submit(self, *words, **settings):
        """The number of the job."""
        text = self.cluster.call("sbatch", "--parsable", *words,
                                 environment=self.settings | settings)
        return text.strip().partition(";")[0]

    def submit_run(self, **settings):
        return self.submit(str(SLURM / "rlhf.sbatch"), str(self.run_.config),
                           **settings)

    def job(self, job):
        """{"JobState": "RUNNING", …} of the job's first component."""
        text = self.cluster.call("scontrol", "--oneliner", "show", "job", job)
        return dict(re.findall(r"(\w+)=(\S*)", text.splitlines()[0]))

    def node_of(self, job):
        """The first learner node."""
        return self.job(job)["NodeList"]

    def job_log(self, job):
        path = self.folder / f"rlhf-{job}.log"
        return path.read_text() if path.exists() else ""

    def updates(self):
        path = self.directory / "metrics.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return [int(json.loads(line)["update"]) for line in lines]

    def last(self):
        return (self.updates() or [0])[-1]

    def resumes(self):
        """After which update the learner went on, each time."""
        text = (self.directory / "logs/learner.log").read_text()
        return [int(n) for n in re.findall(r"resuming after update (\d+)",
                                           text)]

    def wait_for_updates(self, job, more):
        wanted = self.last() + more

        def are_there():
            state = self.job(job)["JobState"]
            if state in ("FAILED", "COMPLETED", "CANCELLED"):
                raise RuntimeError(f"the job is {state}")
            return self.last() >= wanted

        self.wait(are_there, f"{more} further updates")

    def start_again(self, job, restarts):
        """Without the two minutes that Slurm waits after a requeue."""
        def waits():
            state = self.job(job)
            return (state["JobState"] == "PENDING" and
                    int(state["Restarts"]) == restarts)

        self.wait(waits, "the job is queued again")
        self.cluster.call("scontrol", "update", f"JobId={job}", "StartTime=now")
        self.wait(lambda: self.job(job)["JobState"] == "RUNNING",
                  "the job runs again")

    def check_every_update_once(self):
        done = self.updates()
        self.assertEqual(done, list(range(1, len(done) + 1)))

    def check_actors_come_and_go(self, job):
        actor = self.submit(str(SLURM / "actors.sbatch"), str(self.directory))
        port = 20000 + 2 * (int(actor) % 5000) + 1

        def samples():
            try:
                page = urllib.request.urlopen(
                    f"http://127.0.0.1:{port}/metrics", timeout=5).read()
            except OSError:
                return False
            done = re.search(rb'^rlhf_rollouts_total{state="done"} (\d+)$',
                             page, re.MULTILINE)
            return done and int(done.group(1)) > 0

        self.wait(samples, "the further actor has samples of its own taken")
        self.cluster.call("scancel", actor)
        self.wait(lambda: self.job(actor)["JobState"] == "CANCELLED",
                  "the further actor is gone")
        self.wait_for_updates(job, 2)

    def finish_after(self, more):
        """The run's end, for the next start."""
        text, count = re.subn(r"num_updates: \d+",
                              f"num_updates: {self.last() + more}",
                              self.run_.config.read_text())
        self.assertEqual(count, 1)
        self.run_.config.write_text(text)

    def test_a_run_goes_on_after_a_requeue_and_the_loss_of_a_node(self):
        job = self.submit_run(RLHF_ACTORS_PER_NODE="2")
        self.wait_for_updates(job, 3)
        self.check_actors_come_and_go(job)

        self.cluster.call("scontrol", "requeue", job)
        self.start_again(job, restarts=1)
        self.assertIn("Slurm ends the job", self.job_log(job))
        drained = self.last()
        self.wait_for_updates(job, 2)
        self.assertEqual(self.resumes(), [drained])
        self.check_every_update_once()

        # What Slurm sends before the time limit.
        self.cluster.call("scancel", "--batch", "--signal=USR1", job)
        self.start_again(job, restarts=2)
        self.assertIn("the time limit is near", self.job_log(job))
        drained = self.last()
        self.wait_for_updates(job, 2)
        self.assertEqual(self.resumes()[1:], [drained])
        self.check_every_update_once()

        self.finish_after(4)
        lost = self.node_of(job)
        self.cluster.kill_node(lost)
        before = self.last()
        self.start_again(job, restarts=3)
        self.assertNotEqual(self.node_of(job), lost)
        self.wait(lambda: self.job(job)["JobState"] == "COMPLETED",
                  "the run comes to its end")
        self.assertEqual(self.job(job)["ExitCode"], "0:0")
        self.assertIn("the run is finished", self.job_log(job))
        # What was done since the newest checkpoint is done again.
        self.assertLessEqual(self.resumes()[2], before)
        self.assertEqual(sorted(set(self.updates())),
                         list(range(1, self.last() + 1)))


if __name__ == "__main__":
    absent = slurm_cluster.missing()
    if absent:
        print(f"skipped: {absent}")
        sys.exit(77)
    unittest.main()
