"""`rlhf up` on small random models, and the verbs that people use beside it."""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(SOURCE / "bench"), str(SOURCE / "tests/access")]

from feedback_service import BINARY, wait_until  # noqa: E402
from small_run import free_ports, write_llama, write_prompts  # noqa: E402

__all__ = ["BINARY", "ENVIRONMENT", "SOURCE", "LiveRun", "wait_until"]

STOP_SECONDS = 60
# OpenMP's idle threads would take the other processes' cores.
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "GOMP_SPINCOUNT": "0"}

CONFIG = """
name: "live"
runs_dir: "{folder}/runs"
initial_policy: "{folder}/policy"
prompts: "{folder}/prompts.jsonl"
held_out_prompt_share: 0.3
threads: 1
sampling {{ max_new_tokens: 8 max_prompt_tokens: 240 }}
ppo {{
  num_updates: 1000000  # it is stopped
  rollouts_per_update: 16
  # Slow: a policy that always answers alike leaves nothing to compare.
  learning_rate: 0.0001
  # As in the paper: another PM, and the policy begins again.
  on_swap {{ restart_policy: true }}
}}
preference {{
  refresh_at: 60
  refresh_every: 60
  batch_size: 8
  # Random models learn little from gibberish: every candidate may serve.
  gate {{ min_accuracy: 0 max_accuracy_drop: 1 significance: 0
         max_slice_drop: 1 max_calibration_error: 1 max_length_bias: 1 }}
  address: "{refresher}"
  metrics_port: {refresher_metrics}
}}
feedback {{ address: "{feedback}" http_address: "{page}" }}
learner {{ address: "{learner}" metrics_port: {learner_metrics} }}
actor {{ address: "{actor}" metrics_port: {actor_metrics} max_batch: 16 }}
reward_server {{ address: "{rewards}" metrics_port: {rewards_metrics} }}
crowd {{
  workers {{ worker_id: "ada" accuracy: 0.9 seconds_per_task: 0.6 }}
  workers {{ worker_id: "bela" accuracy: 0.9 seconds_per_task: 0.6 }}
  workers {{ worker_id: "chidi" accuracy: 0.9 seconds_per_task: 0.6 }}
  gold_model: "{folder}/gold"
  metrics_port: {crowd_metrics}
}}
up {{ metrics_port: {up_metrics} }}
evaluation {{ num_prompts: 0 }}
"""
ADDRESSES = ["refresher", "feedback", "page", "learner", "actor", "rewards"]
PORTS = ["refresher_metrics", "learner_metrics", "actor_metrics",
         "rewards_metrics", "crowd_metrics", "up_metrics"]


class LiveRun:
    """A run in `folder`; once started it goes on until it is stopped."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.directory = self.folder / "runs/live"
        self.config = self.folder / "live.txtpb"
        # The policy's shape is the PM's too, as the PM starts from it.
        write_llama(self.folder / "policy", 1, layers=2, width=32)
        write_llama(self.folder / "gold", 2, layers=2, width=32,
                    score_head=True)
        write_prompts(self.folder / "prompts.jsonl", 60)
        ports = free_ports(len(ADDRESSES) + len(PORTS))
        names = {name: f"127.0.0.1:{ports.pop()}" for name in ADDRESSES}
        names |= {name: ports.pop() for name in PORTS}
        # Who listens where: an address or a port by the names above.
        self.names = names
        self.config.write_text(CONFIG.format(folder=folder, **names))
        self._up = None

    def start(self, *settings):
        """`rlhf up`, with these fields of the configuration set."""
        words = [word for one in settings for word in ("--set", one)]
        with open(self.folder / "up.log", "wb") as log:
            self._up = subprocess.Popen(
                [BINARY, "up", str(self.config), "--plain", *words],
                stdout=log, stderr=log, env=ENVIRONMENT)

    def log(self):
        """What `rlhf up` has printed."""
        return (self.folder / "up.log").read_text(errors="replace")

    def verb(self, *words):
        """What `rlhf WORDS --config C` prints, here and for the test."""
        shown = " ".join(f'"{w}"' if " " in w else w for w in words)
        print(f"\n$ rlhf {shown} --config C".replace(f"{self.folder}/", ""))
        text = self.ask(*words)
        print(text, end="", flush=True)
        return text

    def ask(self, *words):
        """What `rlhf WORDS --config C` prints, for the test alone."""
        return self._run(*words, "--config", str(self.config))

    def _run(self, *words):
        done = subprocess.run([BINARY, *words], capture_output=True, text=True,
                              timeout=60, env=ENVIRONMENT)
        if done.returncode != 0:
            raise RuntimeError(f"rlhf {' '.join(words)}: {done.stderr}")
        return done.stdout

    def is_up(self):
        """True; raises if `rlhf up` has ended."""
        if self._up.poll() is not None:
            raise RuntimeError("rlhf up has ended:\n" + self.log())
        return True

    def pids(self):
        """The process of each role that runs now; "up" is `rlhf up` itself."""
        self.is_up()
        found = {"up": self._up.pid}
        children = pathlib.Path(
            f"/proc/{self._up.pid}/task/{self._up.pid}/children")
        for pid in children.read_text().split():
            try:
                words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
            except FileNotFoundError:  # it has ended since
                continue
            role = words.split(b"\0")[1:2]
            if role:
                found[role[0].decode()] = int(pid)
        return found

    def kill(self, role):
        """As the kernel kills for memory; False if it is not running now."""
        pid = self.pids().get(role)
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
        return pid is not None

    def refresher_phase(self):
        """What the refresher does, "" if it does not answer yet."""
        self.is_up()
        try:
            status = self._run("status", str(self.config), "--json")
        except RuntimeError:  # nobody answers
            return ""
        refresher = json.loads(status)["refresher"]
        return refresher.get("status", {}).get("phase", "")

    def promoted(self):
        """Versions of the PMs that the gate let serve, the first first."""
        self.is_up()
        found = re.findall(r"^v(\d+) .* promoted$", self.ask("pm", "list"),
                           re.MULTILINE)
        return [int(version) for version in found]

    def card(self, version):
        """What the registry holds of a PM."""
        return json.loads(self.ask("pm", "show", str(version), "--json"))

    def updates(self):
        """Every update so far, oldest first."""
        self.is_up()
        path = self.directory / "metrics.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return [json.loads(line) for line in lines]

    def export(self):
        """The log as `rlhf feedback export` writes it, by seq."""
        path = self.folder / "export.jsonl"
        self.verb("feedback", "export", str(path))
        rows = map(json.loads, path.read_text().splitlines())
        return {int(row["seq"]): row for row in rows}

    def stop(self):
        """Ctrl-C's way; returns the exit code. Its roles end with it."""
        if self._up is None:
            return 0
        if self._up.poll() is None:
            self._up.send_signal(signal.SIGTERM)
        try:
            return self._up.wait(STOP_SECONDS)
        finally:
            if self._up.poll() is None:
                self._up.kill()
                self._up.wait()
