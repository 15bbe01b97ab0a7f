"""The scripts from end to end, with made-up processes: which rows they print."""
import contextlib
import io
import json
import pathlib
import sys
import tempfile
import unittest
from unittest import mock

import generation_bench
import machine
import peer_programs
import scoring_bench
import weights_bench
from small_run import write_llama

SPEED = {"ours": 4.0, "llama": 2.0, "vllm": 1.0, "transformers": 1.0}


class FakeProcess:
    """Answers at once, as the program that the command names would."""
    pid = 1
    num_published = 0

    def __init__(self, command, log, environment=None):
        words = [pathlib.Path(str(word)).name for word in command]
        self.name = next(word for word in words if not word.startswith("python"))
        self.role = words[1] if len(words) > 1 else ""
        self.ready = {"port": 7}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def ask(self, **request):
        return getattr(self, self.name.removesuffix(".py"))(**request)

    def read(self, seconds):
        return {"version": FakeProcess.num_published, "flipped_s": 0.05}

    def seconds(self, speed):
        return {"prefill_s": 1 / speed, "total_s": 3 / speed}

    def generation_bench(self, prompts, lengths, places, mode):
        assert len(json.loads(pathlib.Path(prompts).read_text())) >= len(lengths)
        return self.seconds(SPEED["ours"] if mode == "continuous" else 2.0) | {"tokens": sum(lengths)}

    def transformers_generate(self, prompts, batch, new_tokens, pad=0):
        return self.seconds(SPEED["transformers"] * (1.5 if pad else 1))

    def llama_generate(self, prompts, batch, new_tokens):
        return self.seconds(SPEED["llama"])

    def vllm_generate(self, prompts, batch, new_tokens):
        return self.seconds(SPEED["vllm"])

    def torch_rates(self, dtype):
        return {"operations_per_s": 1e9}

    def memory_rate(self):
        return {"huge": 2e9, "ordinary": 1e9}

    def transformers_scores(self, ids, batch):
        return {"seconds": 2.0, "scores": [1.0] * (64 if "real" in ids else 16)}

    def score_load(self, do, **request):
        if do == "encode":
            found = json.loads(pathlib.Path(request["dialogues"]).read_text())
            return {"lengths": [20 + d["response"].count(" tea") for d in found]}
        if do == "promote":
            FakeProcess.serving = request["version"]
            return {}
        calls = request.get("calls", 100)
        score = 10.0 * FakeProcess.serving if "swaps" in request.get("dialogues", "") else 1.0
        return {"seconds": 1.0 if "address" in request else 4.0, "calls": calls, "failed": 0, "p50_ms": 1,
                "p99_ms": 3 if do == "swap" else 2, "versions": [FakeProcess.serving] * calls,
                "scores": [[score] * request.get("per_call", 1)] * calls, "swaps": request.get("swaps", 0)}

    def weights_bench(self):
        FakeProcess.num_published += 1
        return {"version": FakeProcess.num_published, "began_s": 0.0, "published_s": 0.02}


class FakeServer:
    address, registry = "127.0.0.1:1", pathlib.Path("registry/pm")

    def __init__(self, root, build, folder, name, models, *_):
        FakeProcess.serving = len(models)

    def wait(self, clients):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


class FakeQuiet:
    num_thrown_away = 0

    def __init__(self, patience):
        pass

    def run(self, repetition):
        return repetition()


class DryRunTest(unittest.TestCase):

    def run_script(self, script, *words):
        """What it printed, and the rows that it kept."""
        folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        write_llama(folder / "model", 1, layers=1, width=16)
        said = io.StringIO()
        with contextlib.ExitStack() as stack:
            for name, fake in (("PeerProcess", FakeProcess), ("QuietMachine", FakeQuiet),
                               ("RewardServer", FakeServer)):
                if hasattr(script, name):
                    stack.enter_context(mock.patch.object(script, name, fake))
            for name in ("llama", "vllm"):
                stack.enter_context(mock.patch.object(
                    peer_programs, name, lambda *_, name=name: peer_programs.Peer(("python", f"{name}_generate.py"))))
            stack.enter_context(mock.patch.object(machine, "__file__", str(folder / "machine.py")))
            stack.enter_context(mock.patch.object(sys, "argv", ["bench", "--model", str(folder / "model"), *words]))
            stack.enter_context(contextlib.redirect_stdout(said))
            script.main()
        path, = (folder / "results").iterdir()
        return said.getvalue(), {row["measure"]: row for row in json.loads(path.read_text())["rows"]}

    def assert_bars(self, rows, wanted):
        for measure, bar in wanted.items():
            self.assertIn(measure, rows)
            self.assertEqual(rows[measure]["bar"]["limit"], bar, measure)

    def test_generation_prints_every_ratio_beside_its_bar(self):
        said, rows = self.run_script(generation_bench)
        wanted = {f"decode, {dtype}, batch {batch} against transformers": bar for dtype, batch, bar in (
            ("float32", 1, 5), ("float32", 16, 3), ("float32", 32, 3), ("bfloat16", 16, 4), ("bfloat16", 32, 5))}
        for dtype in ("float32", "bfloat16"):
            wanted |= {f"decode, {dtype}, batch {batch} against llama.cpp": bar
                       for batch, bar in ((1, 1.3), (8, 1.2), (16, 1.25), (32, 1.2))}
            wanted |= {f"prefill, {dtype}, batch {batch} against llama.cpp": 1.0 for batch in (1, 8, 16, 32)}
            wanted[f"weights read, {dtype}, batch 1, of the rate on huge pages"] = 0.75
        wanted |= {
            "decode, int8, batch 1 against llama.cpp": 1.3, "decode, int8, batch 16 against llama.cpp": 1.5,
            "arithmetic, float32, batch 32, of a 2048³ product": 0.8,
            "arithmetic, bfloat16, batch 32, of a 2048³ product": 0.5,
            "peak resident memory, float32, batch 16 against transformers": 0.8,
            "256 responses of 4 to 128 tokens, bfloat16, continuous batching against static": 1.7,
            "decode, tiny model, float32, batch 16 against transformers": 12}
        self.assert_bars(rows, wanted)
        # The better of transformers' two variants, which is the padded one here.
        self.assertAlmostEqual(rows["decode, float32, batch 16 against transformers"]["value"], 4 / 1.5)
        self.assertAlmostEqual(rows["decode, float32, batch 16 against llama.cpp"]["value"], 2)
        self.assertNotIn("SKIPPED", said)

    def test_scoring_prints_every_ratio_beside_its_bar(self):
        _, rows = self.run_script(scoring_bench, "--dialogues", "/nowhere")
        wanted = {f"16 x 128 tokens, {dtype} against transformers": 1.0 for dtype in ("float32", "bfloat16")}
        wanted |= {f"64 clients, 135M, {dtype} against transformers over HTTP": 1.5
                   for dtype in ("float32", "bfloat16")}
        wanted |= {"64 clients, tiny model, float32 against transformers over HTTP": 10,
                   "p99 of a call under 1,100 swaps, tiny model against steady": 2,
                   "failed calls under 1,100 swaps": 0, "mixed calls under 1,100 swaps": 0}
        self.assert_bars(rows, wanted)
        self.assertEqual(rows["p99 of a call under 1,100 swaps, tiny model against steady"]["value"], 1.5)

    def test_dialogues_that_are_not_there_are_skipped_visibly(self):
        said, _ = self.run_script(scoring_bench, "--dialogues", "/nowhere", "--parts", "float32")
        self.assertIn("SKIPPED real dialogues, float32: no /nowhere", said)

    def test_publishing_on_this_host_stands_beside_its_bars(self):
        _, rows = self.run_script(weights_bench, "--parts", "host")
        self.assert_bars(rows, {"publish 269 MB to 1 actor on this host": 80,
                                "publish 269 MB to 4 actors on this host": 100})
        self.assertAlmostEqual(rows["publish 269 MB to 4 actors on this host"]["value"], 50)


if __name__ == "__main__":
    unittest.main()
