"""Programs that stay warm between repetitions: each answers a line of JSON on its
input with one on its output. Ours and the peers' are driven alike."""
import contextlib
import json
import os
import pathlib
import select
import subprocess
import time

START_SECONDS = 600
ANSWER_SECONDS = 1800


class PeerProcess:
    """Started at once; `ready` is the first line, which it writes when it is warm.
    Lines that are no JSON objects are passed by. Its errors go to the file `log`."""

    def __init__(self, command, log, environment=None):
        self._name, self._log, self._rest = pathlib.Path(command[0]).name, pathlib.Path(log), b""
        with open(log, "ab") as errors:
            self.process = subprocess.Popen(
                [str(word) for word in command], env=os.environ | (environment or {}),
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors)
        try:
            self.ready = self.read(START_SECONDS)
        except BaseException:
            self.close()
            raise

    @property
    def pid(self):
        return self.process.pid

    def ask(self, seconds=ANSWER_SECONDS, **request):
        try:
            self.process.stdin.write(json.dumps(request).encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # it has ended, which is what reading tells
        return self.read(seconds)

    def read(self, seconds=ANSWER_SECONDS):
        """The next answer. RuntimeError if it ended, said what is wrong, or took
        longer than `seconds`."""
        deadline = time.monotonic() + seconds
        while True:
            line = self._line(deadline)
            if line.startswith(b"{"):
                answer = json.loads(line)
                if "error" in answer:
                    raise RuntimeError(f"{self._name}: {answer['error']}")
                return answer

    def _line(self, deadline):
        while b"\n" not in self._rest:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                raise RuntimeError(f"{self._name} has not answered in time; see {self._log}")
            more = os.read(self.process.stdout.fileno(), 1 << 20)
            if not more:
                raise RuntimeError(f"{self._name} ended with exit code {self.process.wait()}; "
                                   f"its last words: {self._last_words()}")
            self._rest += more
        line, _, self._rest = self._rest.partition(b"\n")
        return line

    def _last_words(self):
        with contextlib.suppress(FileNotFoundError):
            return self._log.read_text(errors="replace")[-800:].strip() or "none"
        return "none"

    def close(self):
        """Ends it: with its input first, by force if that does not do."""
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
