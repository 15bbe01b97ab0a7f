"""Somebody at the page who remembers what was acknowledged, and batches."""

import http.client
import json
import random
import threading
import time

NAME = "soak"
SECONDS_PER_TASK = 0.5
# An answer that is not acknowledged by then is given up: it may be there.
PATIENCE_SECONDS = 60
BATCH = 60  # so that a batch is judged by itself
WORDS = """river garden teacher number letter bridge window quiet heavy carries
writes holds opens counts between without never seven winter harbour station
market basket candle pepper silver copper marble""".split()


class Person(threading.Thread):
    """Answers tasks until stop(); a lost connection is no answer, and the same
    comparison is sent again."""

    def __init__(self, address):
        super().__init__(daemon=True)
        self._address = address
        self._stopped = threading.Event()
        self._last = None
        self.acknowledged = []
        self.unknown = 0  # given up without an answer

    def post(self, path, body):
        """(status, JSON or None); (0, None) if nobody answers."""
        connection = http.client.HTTPConnection(self._address, timeout=10)
        try:
            connection.request("POST", path, json.dumps(body),
                               {"Content-Type": "application/json"})
            answer = connection.getresponse()
            text = answer.read()
            return answer.status, json.loads(text) if text else None
        except (OSError, http.client.HTTPException, ValueError):
            return 0, None
        finally:
            connection.close()

    def run(self):
        number = 0
        while not self._stopped.wait(SECONDS_PER_TASK):
            status, task = self.post("/api/task", {"worker_id": NAME})
            if status != 200:
                continue
            number += 1
            self._submit({
                "task_id": task["task_id"], "comparison_id": f"soak-{number}",
                "worker_id": NAME, "seconds": SECONDS_PER_TASK, "strength": 1,
                "choice": ("left_better", "right_better")[number % 2]})

    def stop(self):
        self._stopped.set()
        self.join()

    def again(self, times):
        """Sends the last acknowledged answer so often again; the statuses."""
        return [self.post("/api/comparison", self._last)[0]
                for _ in range(times)]

    def _submit(self, answer):
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            status, _ = self.post("/api/comparison", answer)
            if status == 200:
                self.acknowledged.append(answer["comparison_id"])
                self._last = answer
                return
            if 400 <= status < 500 and status != 429:
                return  # refused
            time.sleep(0.2)
        self.unknown += 1


def write_batch(path, seed):
    """BATCH comparisons that no other seed has."""
    random_ = random.Random(seed)

    def sentence(count):
        return " ".join(random_.choices(WORDS, k=count))

    with open(path, "w", encoding="utf-8") as file:
        for number in range(BATCH):
            file.write(json.dumps({
                "prompt": {"messages": [{
                    "role": "user",
                    "content": f"{seed} {number} {sentence(8)}?"}]},
                "response_a": sentence(12), "response_b": sentence(12),
                "choice": random_.choice(("A_BETTER", "B_BETTER")),
                "strength": 1, "worker_id": f"importer-{number % 7}",
                "worker_seconds": 5}) + "\n")
