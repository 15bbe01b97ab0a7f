"""How a peer answers bench/peer_process.py: one line of JSON for each it is asked."""
import json
import sys
import time
from importlib import metadata


def versions(*packages):
    return {package: metadata.version(package) for package in packages}


def serve(answer, **ready):
    """Says `ready`, then calls `answer` with the fields of each line of input."""
    print(json.dumps({"ready": True, **ready}), flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(**json.loads(line))), flush=True)


class Times:
    """Seconds until the first tokens and until the end of one repetition."""

    def __init__(self):
        self._start, self._first = time.perf_counter(), None

    def note(self):
        """Some tokens are there; only the first call counts."""
        if self._first is None:
            self._first = time.perf_counter()

    def answer(self):
        return {"prefill_s": self._first - self._start, "total_s": time.perf_counter() - self._start}
