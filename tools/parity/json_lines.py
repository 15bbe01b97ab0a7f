"""Programs that read JSON lines and write JSON lines, and where they are."""
import dataclasses
import itertools
import json
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODEL = ROOT / "models/SmolLM2-135M-Instruct"
PROMPTS = ROOT / "examples/prompts.jsonl"


class JsonLines:
    """`PROGRAM ARGS` at work on these objects, each a line of JSON."""

    def __init__(self, program, args, objects):
        self.what = " ".join([pathlib.Path(program).name, *args])
        self.output = tempfile.TemporaryFile()
        self.num_lines = 0
        with tempfile.TemporaryFile() as lines:
            for o in objects:
                lines.write(json.dumps(o).encode() + b"\n")
                self.num_lines += 1
            lines.seek(0)
            self.process = subprocess.Popen([program, *args], stdin=lines, stdout=self.output)

    def results(self):
        """Its lines of output, one for each line of input."""
        if self.process.wait() != 0:
            sys.exit(f"{self.what} ended with exit code {self.process.returncode}")
        with self.output:
            self.output.seek(0)
            results = [json.loads(line) for line in self.output]
        if len(results) != self.num_lines:
            sys.exit(f"{self.what}: {self.num_lines} lines went in and {len(results)} came out")
        return results


@dataclasses.dataclass
class Row:
    """One line of the table: the difference found on `size`, and the bar."""
    what: str
    size: str
    found: float
    allowed: float

    def missed(self):
        return not self.found <= self.allowed  # NaN misses too


def note(text):
    print(f"  {text}", flush=True)


def prompts(count):
    with PROMPTS.open(encoding="utf-8") as lines:
        return [json.loads(line)["prompt"] for line in itertools.islice(lines, count)]
