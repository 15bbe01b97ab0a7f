#!/usr/bin/env python3
"""Times generation, ours beside transformers, llama.cpp and vLLM's CPU build, in turn,
on this machine: 64-token prompts, 64 new tokens, temperature 1.

    make bench       # or: .venv-bench/bin/python bench/generation_bench.py

Prints each ratio beside its bar and writes bench/results/generation.json. A peer that
is not installed is skipped, and the rows say so (bench/peer_programs.py).
"""
import argparse
import contextlib
import dataclasses
import json
import pathlib
import random
import sys
import tempfile

import peer_programs
from machine import arguments
from memory import MemoryWatch
from peer_process import PeerProcess
from quiet import NotQuiet, QuietMachine
from side_by_side import Bar, Report, Spread, best, interleave
from small_run import write_llama

PROMPT, NEW = 64, 64
PADDED = 8  # of the first prompt, in transformers' second variant
TINY = {"layers": 2, "width": 128, "vocabulary": 5000}
# Batches whose resident memory is compared come in rising order: a peak is of the
# largest batch so far.
MEMORY_BATCH = 16
MIXED = {"prompts": 256, "places": 16, "shortest": 4, "longest": 128, "dtype": "bfloat16"}


@dataclasses.dataclass(frozen=True)
class Precision:
    """Bars by batch. A limit's share: of the memory rate at batch 1, of the rate of
    matrix products at batch 32."""
    dtype: str
    gguf: str
    against_transformers: dict
    against_best: dict
    weight_bytes: float = 0  # per weight; 0: no shares
    gemm_share: float = 0


PRECISIONS = [
    Precision("float32", "F32", {1: 5, 16: 3, 32: 3}, {1: 1.3, 8: 1.2, 16: 1.25, 32: 1.2}, 4, 0.8),
    Precision("bfloat16", "BF16", {16: 4, 32: 5}, {1: 1.3, 8: 1.2, 16: 1.25, 32: 1.2}, 2, 0.5),
    Precision("int8", "Q8_0", {}, {1: 1.3, 16: 1.5}),
]
MEMORY_SHARE = 0.75


def write_prompts(path, count, vocabulary):
    """No two begin alike, and no token has a meaning of its own."""
    path.write_text(json.dumps([[3 + (s * 7919 + t * 104729 + 17) % (vocabulary - 3) for t in range(PROMPT)]
                                for s in range(count)]))
    return path


def count_weights(model):
    """Of a safetensors file: what is read for each token where the vocabulary's are tied."""
    with open(model / "model.safetensors", "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    total = 0
    for name, tensor in header.items():
        if name != "__metadata__":
            size = 1
            for dimension in tensor["shape"]:
                size *= dimension
            total += size
    return total


def mixed_lengths(seed=7):
    """As many of each length between the shortest and the longest, in any order."""
    n, low, high = MIXED["prompts"], MIXED["shortest"], MIXED["longest"]
    lengths = [low + i * (high - low) // (n - 1) for i in range(n)]
    random.Random(seed).shuffle(lengths)
    return lengths


def prefill_rates(results, batch):
    return Spread.of([batch * PROMPT / r["prefill_s"] for r in results])


def decode_rates(results, batch):
    """Of the tokens after the first ones."""
    return Spread.of([batch * (NEW - 1) / (r["total_s"] - r["prefill_s"]) for r in results])


def total_rates(results, batch):
    return Spread.of([batch * NEW / r["total_s"] for r in results])


def either(sides):
    """transformers' two variants as one side: the better."""
    variants = {name: s for name, s in sides.items() if name.startswith("transformers")}
    rest = {name: s for name, s in sides.items() if name not in variants}
    chosen = best(variants, ours=None)
    return rest | ({"transformers": variants[chosen]} if chosen else {})


class Bench:
    def __init__(self, args, folder):
        self.args, self.folder = args, folder
        self.quiet = QuietMachine(patience=args.patience)
        self.report = Report("generation", self.quiet, arguments=arguments(args), prompt_tokens=PROMPT, new_tokens=NEW)
        self.prompts = write_prompts(folder / "prompts.json", MIXED["prompts"], 49152)

    def start(self, stack, what, peer, environment):
        """A warm process, or None where there is no such peer."""
        if peer.missing:
            return self.report.skip(what, peer.missing)
        log = self.folder / f"{what.replace(' ', '-')}.log"
        try:
            return stack.enter_context(PeerProcess(peer.command, log, environment))
        except RuntimeError as error:
            return self.report.skip(what, str(error))

    def ours(self, stack, model, dtype):
        return stack.enter_context(PeerProcess(
            (self.args.build / "bench/generation_bench", model, dtype), self.folder / f"ours-{dtype}.log",
            peer_programs.our_environment(self.args.threads)))

    def limits(self, stack, precision):
        """Processes that measure the machine's memory and matrix products, if shares are asked for."""
        if not precision.weight_bytes:
            return None, None
        threads = str(self.args.threads)
        memory = PeerProcess((self.args.build / "bench/memory_rate", threads), self.folder / "memory.log")
        theirs = peer_programs.their_environment(self.args.threads)
        gemm = PeerProcess(peer_programs.transformers("torch_rates.py", "--threads", threads).command,
                           self.folder / "gemm.log", theirs)
        return stack.enter_context(memory), stack.enter_context(gemm)

    def others(self, stack, precision):
        """Warm peers by name."""
        args, dtype, threads = self.args, precision.dtype, str(self.args.threads)
        theirs, found = peer_programs.their_environment(args.threads), {}
        wanted = {"llama.cpp": peer_programs.llama(args.peers, precision.gguf, threads)}
        if precision.against_transformers:
            words = ("--model", args.model, "--dtype", dtype, "--threads", threads)
            wanted["transformers"] = peer_programs.transformers("transformers_generate.py", *words)
            wanted["vLLM"] = peer_programs.vllm(args.peers, args.model, dtype, threads)
        for name, peer in wanted.items():
            process = self.start(stack, f"{name} {dtype}", peer, theirs)
            if process:
                found[name] = process
        return found

    def sides(self, batch, precision, ours, others, limits):
        request = {"prompts": str(self.prompts), "batch": batch, "new_tokens": NEW}
        sides = {"ours": lambda: ours.ask(prompts=str(self.prompts), lengths=[NEW] * batch, places=batch,
                                          mode="continuous")}
        for name, process in others.items():
            if name == "transformers" and batch not in precision.against_transformers:
                continue
            sides[name] = lambda process=process: process.ask(**request)
            if name == "transformers":
                sides["transformers, padded"] = lambda process=process: process.ask(**request, pad=PADDED)
        memory, gemm = limits
        if precision.weight_bytes and batch == 1:
            sides["memory"] = lambda: memory.ask()
        if precision.weight_bytes and batch == 32:
            sides["gemm"] = lambda: gemm.ask(dtype=precision.dtype)
        return sides

    def measure(self, precision, batch, ours, others, limits):
        results = interleave(self.sides(batch, precision, ours, others, limits), self.args.repetitions, self.quiet)
        memory, gemm = results.pop("memory", None), results.pop("gemm", None)
        what = f"{precision.dtype}, batch {batch}"
        decode = either({name: decode_rates(r, batch) for name, r in results.items()})
        if batch in precision.against_transformers:
            self.report.ratio(f"decode, {what}", {n: decode[n] for n in ("ours", "transformers") if n in decode},
                              Bar(precision.against_transformers[batch]), "tokens/s")
        if batch in precision.against_best:
            self.report.ratio(f"decode, {what}", {n: s for n, s in decode.items() if n != "transformers"},
                              Bar(precision.against_best[batch]), "tokens/s")
        self.report.row(f"prompt and response, {what}", None, None,
                        either({name: total_rates(r, batch) for name, r in results.items()}), "tokens/s")
        if precision.weight_bytes:
            prefill = either({name: prefill_rates(r, batch) for name, r in results.items()})
            self.report.ratio(f"prefill, {what}", prefill, Bar(1.0), "tokens/s")
        if memory:
            self.share_of_memory(precision, decode["ours"], memory)
        if gemm:
            self.share_of_gemm(precision, decode["ours"], gemm)

    def share_of_memory(self, precision, decode, memory):
        weights = count_weights(self.args.model) * precision.weight_bytes / 1e9
        ours = Spread(*(weights * rate for rate in dataclasses.astuple(decode)))
        rates = {name: Spread.of([m[name] / 1e9 for m in memory]) for name in ("huge", "ordinary")}
        sides = {"ours": ours, "huge pages": rates["huge"], "ordinary pages": rates["ordinary"]}
        self.report.row(f"weights read, {precision.dtype}, batch 1, of the rate on huge pages",
                        ours.median / rates["huge"].median, Bar(MEMORY_SHARE, "%"), sides, "GB/s")

    def share_of_gemm(self, precision, decode, gemm):
        operations = 2 * count_weights(self.args.model) / 1e9
        ours = Spread(*(operations * rate for rate in dataclasses.astuple(decode)))
        product = Spread.of([g["operations_per_s"] / 1e9 for g in gemm])
        self.report.row(f"arithmetic, {precision.dtype}, batch 32, of a 2048³ product",
                        ours.median / product.median, Bar(precision.gemm_share, "%"),
                        {"ours": ours, "product": product}, "GFLOP/s")

    def memory_row(self, ours, others):
        if "transformers" not in others:
            return self.report.skip("resident memory", "no transformers")
        peaks = {}
        for name, process in {"ours": ours, "transformers": others["transformers"]}.items():
            watch = MemoryWatch([process.pid])
            watch.stop()
            peaks[name] = Spread.of([watch.peak_rss_bytes / 2**20])
        self.report.ratio(f"peak resident memory, float32, batch {MEMORY_BATCH}", peaks, Bar(0.8, at_most=True), "MiB",
                          against="transformers")

    def run_precision(self, precision):
        with contextlib.ExitStack() as stack:
            ours = self.ours(stack, self.args.model, precision.dtype)
            limits = self.limits(stack, precision)
            others = self.others(stack, precision)
            for batch in sorted({*precision.against_transformers, *precision.against_best}):
                self.measure(precision, batch, ours, others, limits)
                if batch == MEMORY_BATCH and precision.dtype == "float32":
                    self.memory_row(ours, others)

    def run_mixed(self):
        """Useful tokens per second, ours against ours."""
        lengths = mixed_lengths()
        with contextlib.ExitStack() as stack:
            ours = self.ours(stack, self.args.model, MIXED["dtype"])

            def side(mode):
                return lambda: ours.ask(prompts=str(self.prompts), lengths=lengths, places=MIXED["places"], mode=mode)

            results = interleave({"ours": side("continuous"), "static": side("static_padded"),
                                  "static, finished ones leave": side("static")}, self.args.repetitions, self.quiet)
        rates = {name: Spread.of([r["tokens"] / r["total_s"] for r in found]) for name, found in results.items()}
        self.report.ratio(f"256 responses of 4 to 128 tokens, {MIXED['dtype']}, continuous batching", rates, Bar(1.7),
                          "tokens/s", against="static")

    def run_tiny(self):
        model = self.folder / "tiny"
        write_llama(model, 1, **TINY)
        prompts, batch = write_prompts(self.folder / "tiny-prompts.json", 16, TINY["vocabulary"]), 16
        threads = str(self.args.threads)
        with contextlib.ExitStack() as stack:
            ours = self.ours(stack, model, "float32")
            peer = peer_programs.transformers("transformers_generate.py", "--model", model, "--dtype", "float32",
                                              "--threads", threads)
            theirs = self.start(stack, "transformers tiny", peer, peer_programs.their_environment(self.args.threads))
            if theirs is None:
                return
            request = {"prompts": str(prompts), "batch": batch, "new_tokens": NEW}
            results = interleave({
                "ours": lambda: ours.ask(prompts=str(prompts), lengths=[NEW] * batch, places=batch, mode="continuous"),
                "transformers": lambda: theirs.ask(**request),
                "transformers, padded": lambda: theirs.ask(**request, pad=PADDED)}, self.args.repetitions, self.quiet)
        self.report.ratio("decode, tiny model, float32, batch 16",
                          either({name: decode_rates(r, batch) for name, r in results.items()}), Bar(12), "tokens/s")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = [p.dtype for p in PRECISIONS] + ["mixed", "tiny"]
    peer_programs.add_arguments(parser)
    parser.add_argument("--parts", nargs="*", default=parts, choices=parts)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        bench = Bench(args, pathlib.Path(name))
        try:
            for precision in PRECISIONS:
                if precision.dtype in args.parts:
                    bench.run_precision(precision)
            if "mixed" in args.parts:
                bench.run_mixed()
            if "tiny" in args.parts:
                bench.run_tiny()
        except NotQuiet as error:
            sys.exit(f"stopped: {error}; what was measured is in bench/results/generation.json")


if __name__ == "__main__":
    main()
