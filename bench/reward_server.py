"""One `rlhf reward-server`, as users run it, on preference models of a benchmark."""
import os
import subprocess
import time

from small_run import free_ports

START_SECONDS = 120


def without_cache(root):
    """A score that was given before shall be computed again. Older versions have no cache."""
    known = "score_cache_mib" in (root / "proto/rlhf/v1/config.proto").read_text()
    return "score_cache_mib: 0" if known else ""


class RewardServer:
    """Serves the last of `models`, which are the versions 1, 2, … of its registry;
    `policy` is any language model, as every run file names one."""

    def __init__(self, root, build, folder, name, models, policy, dtype, threads, environment):
        self.run = folder / "runs" / name
        for model in models:
            subprocess.run([build / "bench/publish_pm", model, self.run], check=True)
        port, metrics = free_ports(2)
        self.address, self.registry = f"127.0.0.1:{port}", self.run / "registry/pm"
        prompts, config = folder / f"{name}-prompts.jsonl", folder / f"{name}.txtpb"
        prompts.write_text('{"prompt": "make tea"}\n')
        config.write_text(f"""
name: "{name}" runs_dir: "{folder}/runs" initial_policy: "{policy}"
prompts: "{prompts}" held_out_prompt_share: 0 threads: {threads}
reward_server {{ address: "{self.address}" metrics_port: {metrics} dtype: {dtype.upper()} {without_cache(root)} }}
""")
        self.log = folder / f"{name}.log"
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([build / "bin/rlhf", "reward-server", "--config", config],
                                            env=os.environ | environment, stdout=log, stderr=log)

    def wait(self, clients):
        """Until it serves; `clients` is score_load, which asks for its last version."""
        deadline = time.monotonic() + START_SECONDS
        version = len(list(self.registry.glob("0*")))
        while True:
            try:
                clients.ask(do="promote", registry=str(self.registry), address=self.address, version=version)
                return
            except RuntimeError as error:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"the reward server does not serve ({error}); see {self.log}: "
                                       f"{self.log.read_text()[-500:]}") from None
                time.sleep(0.2)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
