"""Times a transformers trainer from outside."""
import time

from transformers import TrainerCallback


class Stopwatch(TrainerCallback):
    """Seconds of each of the trainer's steps."""

    def __init__(self):
        self.seconds = []

    def on_train_begin(self, args, state, control, **kwargs):
        self.start = time.perf_counter()

    def on_step_end(self, args, state, control, **kwargs):
        now = time.perf_counter()
        self.seconds.append(now - self.start)
        self.start = now
