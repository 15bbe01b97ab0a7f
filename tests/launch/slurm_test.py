#!/usr/bin/env python3
"""deploy/slurm on a real Slurm of four nodes: submitted, requeued, a node lost.

Exits 77 (CTest: skipped) where Slurm is not installed or cannot be started.
"""

import json
import os
import pathlib
import re
import shutil
import signal
import socket
import sys
import tempfile
import unittest
import urllib.request

import slurm_cluster

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(SOURCE / "tests/live")]

from live_run import BINARY, LiveRun, wait_until  # noqa: E402
from small_run import free_ports  # noqa: E402

SLURM = SOURCE / "deploy/slurm"
# Far more than anything takes on two cores.
WAIT_SECONDS = 120
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
        return "".join(path.read_text()
                       for path in self.folder.glob(f"rlhf*-{job}.log"))

    def updates(self):
        path = self.directory / "metrics.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return [int(json.loads(line)["update"]) for line in lines]

    def last(self):
        return (self.updates() or [0])[-1]

    def processes_of(self, role):
        """The numbers of those of this run, in no order."""
        start = [word.encode() for word in (BINARY, role, "--config",
                                            f"{self.directory}/config.txtpb")]
        found = []
        for process in slurm_cluster.processes():
            try:
                words = (process / "cmdline").read_bytes().split(b"\0")
            except OSError:  # it has ended
                continue
            if words[:4] == start:
                found.append(int(process.name))
        return found

    def gpus_of(self, role):
        """Which GPUs each process of the role sees."""
        return sorted(
            slurm_cluster.variables_of(pid).get("CUDA_VISIBLE_DEVICES")
            for pid in self.processes_of(role))

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
        """Without the two minutes that Slurm waits after a requeue, of which it
        needs a second: a node does not start what it ended in the same one.
        Returns the updates that were done before."""
        def waits():
            state = self.job(job)
            return (state["JobState"] == "PENDING" and
                    int(state["Restarts"]) == restarts)

        self.wait(waits, "the job is queued again")
        done = self.updates()
        # Of a lost node its own component alone, while the others run.
        for line in self.cluster.call("squeue", "--noheader", f"--jobs={job}",
                                      "--format=%i %T").splitlines():
            component, state = line.split()
            if state == "PENDING":
                self.cluster.call("scontrol", "update", f"JobId={component}",
                                  "StartTime=now+2")
        self.wait(lambda: self.job(job)["JobState"] == "RUNNING",
                  "the job runs again")
        return done

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

    def check_gpus(self):
        """Each process has one; the ranks divide them themselves."""
        seen = {role: self.gpus_of(role)
                for role in ("learner", "actor", "reward-server", "refresher")}
        self.assertEqual(seen, {"learner": ["4,5,6"] * 2, "actor": ["4", "5"],
                                "reward-server": ["4"], "refresher": ["5"]})

    def check_a_rank_is_replaced(self, job):
        """Without Slurm's help."""
        before = self.processes_of("learner")
        os.kill(before[-1], signal.SIGKILL)
        self.wait(lambda: len(set(self.processes_of("learner")) -
                              set(before)) == 2, "both ranks start again")
        self.wait_for_updates(job, 2)
        self.assertIn("learner ended with code", self.job_log(job))
        self.assertEqual(self.job(job)["Restarts"], "0")

    def check_nothing_is_lost(self, job, done):
        """The updates go on after those that were done."""
        self.wait_for_updates(job, 2)
        self.assertEqual(self.updates()[:len(done)], done)
        self.assertEqual(self.updates()[len(done)], done[-1] + 1)
        self.assertEqual(self.resumes()[-1], done[-1])

    def test_a_run_goes_on_after_a_requeue_and_the_loss_of_a_node(self):
        job = self.submit_run(RLHF_RANKS_PER_NODE="2", RLHF_ACTORS_PER_NODE="2",
                              CUDA_VISIBLE_DEVICES="4,5,6")
        self.wait_for_updates(job, 3)
        self.check_gpus()
        self.check_actors_come_and_go(job)
        self.check_a_rank_is_replaced(job)

        self.cluster.call("scontrol", "requeue", job)
        done = self.start_again(job, restarts=1)
        self.assertIn("Slurm ends the job", self.job_log(job))
        self.check_nothing_is_lost(job, done)

        # What Slurm sends before the time limit.
        self.cluster.call("scancel", "--batch", "--signal=USR1", job)
        done = self.start_again(job, restarts=2)
        self.assertIn("the time limit is near", self.job_log(job))
        self.check_nothing_is_lost(job, done)

        self.finish_after(10)
        lost = self.node_of(job)
        self.cluster.kill_node(lost)
        self.start_again(job, restarts=3)
        self.assertNotEqual(self.node_of(job), lost)
        self.wait(lambda: self.job(job)["JobState"] == "COMPLETED",
                  "the run comes to its end")
        self.assertEqual(self.job(job)["ExitCode"], "0:0")
        self.assertIn("the run is finished", self.job_log(job))
        # What came after the newest checkpoint is done again.
        self.assertEqual(sorted(set(self.updates())),
                         list(range(1, self.last() + 1)))

    def check_refusal(self, job, message):
        self.wait(lambda: self.job(job)["JobState"] == "FAILED",
                  f"the job ends: {message}")
        self.assertEqual(self.job(job)["ExitCode"], "2:0")
        self.assertIn(message, self.job_log(job))

    def test_what_a_user_forgot_ends_the_job_and_is_named(self):
        script = str(SLURM / "rlhf.sbatch")
        config = str(self.run_.config)
        (self.folder / "typo.txtpb").write_text('nam: "live"')
        for job, message in [
                (self.submit(script), "no run file; wanted"),
                (self.submit(script, "none.txtpb"), "cannot read none.txtpb"),
                (self.submit(script, config, RLHF_BINARY="/none/rlhf"),
                 "there is no program /none/rlhf"),
                (self.submit(script, config, RLHF_ACTORS_PER_NODE="many"),
                 'RLHF_ACTORS_PER_NODE="many"; wanted a number from 1 to 64'),
                (self.submit(script, "typo.txtpb"),
                 "typo.txtpb does not do for this job"),
                (self.submit(str(SLURM / "actors.sbatch"), "runs/none"),
                 "there is no runs/none/config.txtpb")]:
            with self.subTest(message=message):
                self.check_refusal(job, message)


if __name__ == "__main__":
    absent = slurm_cluster.missing()
    if absent:
        print(f"skipped: {absent}")
        sys.exit(77)
    unittest.main()
