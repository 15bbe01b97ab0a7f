"""A real feedback service of a run in a temporary folder, for tests."""

import contextlib
import http.client
import os
import pathlib
import signal
import socket
import subprocess
import tempfile
import time

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("RLHF_BINARY", str(SOURCE / "build/release/bin/rlhf"))
START_SECONDS = 30


def free_port():
    """A port that nobody listens at just now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_until(condition, what, seconds=START_SECONDS):
    """Returns once `condition()` holds; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(0.05)
    raise TimeoutError(f"{what}: not within {seconds} s")


class FeedbackService:
    """`rlhf feedback` on free ports, with `access` in its configuration."""

    def __init__(self, folder, access):
        self.http_port = free_port()
        self.config = pathlib.Path(folder) / "run.txtpb"
        prompts = pathlib.Path(folder) / "prompts.jsonl"
        prompts.write_text('{"prompt": "How many legs has a spider?"}\n' * 8)
        self.config.write_text(
            f'name: "run"\nruns_dir: "{folder}"\ninitial_policy: "none"\n'
            f'prompts: "{prompts}"\nheld_out_prompt_share: 0\n'
            f'actor {{ address: "127.0.0.1:{free_port()}" }}\n'
            f'feedback {{ http_address: "127.0.0.1:{self.http_port}"\n'
            f'  address: "127.0.0.1:{free_port()}"\n'
            f'  access {{ {access} }} }}\n')
        self.log = open(pathlib.Path(folder) / "service.log", "wb")
        self.process = subprocess.Popen(
            [BINARY, "feedback", "--config", str(self.config)],
            stdout=self.log, stderr=self.log)

    def is_up(self):
        """Whether it answers; raises if it has ended."""
        if self.process.poll() is not None:
            raise RuntimeError(pathlib.Path(self.log.name).read_text())
        try:
            connection = http.client.HTTPConnection(
                "127.0.0.1", self.http_port, timeout=5)
            connection.request("GET", "/healthz")
            return connection.getresponse().status == 200
        except OSError:
            return False

    def verb(self, *arguments):
        """What `rlhf feedback ARGUMENTS` prints."""
        return subprocess.run(
            [BINARY, "feedback", *arguments, "--config", str(self.config)],
            check=True, capture_output=True, text=True, timeout=30).stdout

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()


@contextlib.contextmanager
def feedback_service(access):
    """Serves inside of the `with`."""
    with tempfile.TemporaryDirectory(prefix="rlhf-access-") as folder:
        service = FeedbackService(folder, access)
        try:
            wait_until(service.is_up, "the feedback service answers")
            yield service
        finally:
            service.stop()
