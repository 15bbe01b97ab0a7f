#!/usr/bin/env python3
"""Times scoring by preference models: `rlhf reward-server` over gRPC beside
transformers, in turn, on this machine; and what swaps under load do.

    make bench       # or: .venv-bench/bin/python bench/scoring_bench.py

Prints each ratio beside its bar and writes bench/results/scoring.json.
"""
import argparse
import contextlib
import json
import math
import pathlib
import sys
import tempfile

import dialogues
import peer_programs
from machine import arguments
from peer_process import PeerProcess
from quiet import NotQuiet, QuietMachine
from reward_server import RewardServer
from score_models import with_score_head
from side_by_side import Bar, Report, Spread, interleave
from small_run import write_llama

BATCH, TOKENS = 16, 128
REAL = 64
CLIENTS = 64
CALLS = {"135M": 128, "tiny": 2048}
MIXED_BARS = {"135M": 1.5, "tiny": 10}
SWAP_VERSIONS, SWAP_BLOCKS, STEADY_SECONDS = 3, 10, 10
SWAP_DIALOGUES = 64
# A score of another version differs by more than rounding in another batch does.
SAME_SCORE = 1e-3


class Work:
    """Dialogues in a file, and the same as tokens in another."""

    def __init__(self, clients, folder, name, model, found):
        self.path, self.ids, self.count = folder / f"{name}.json", folder / f"{name}-ids.json", len(found)
        self.path.write_text(json.dumps(found))
        self.lengths = clients.ask(do="encode", model=str(model), dialogues=str(self.path),
                                   ids=str(self.ids))["lengths"]


def make_work(clients, folder, name, model, tokens):
    """Made-up dialogues of about so many tokens each."""
    probe = Work(clients, folder, f"{name}-probe", model, [dialogues.made_up(0, words) for words in (0, 10)])
    found = [dialogues.made_up(i, dialogues.words_for(t, *probe.lengths)) for i, t in enumerate(tokens)]
    return Work(clients, folder, name, model, found)


def scores_of(answer):
    """In the order of the dialogues; failed calls end the benchmark."""
    if answer["failed"]:
        raise RuntimeError(f"{answer['failed']} of {answer['calls']} calls failed: {answer['first_error']}")
    return [score for scores in answer["scores"] for score in scores]


def largest_difference(ours, theirs):
    return max(abs(a - b) for a, b in zip(ours, theirs, strict=True))


def count_mixed(answer, expected):
    """Calls whose score is not the one that the version they name gives. `expected` has
    a score per dialogue by version; dialogues go round."""
    mixed = 0
    for number, (scores, version) in enumerate(zip(answer["scores"], answer["versions"])):
        if scores is None:  # failed, which is counted on its own
            continue
        wanted = expected.get(version)
        if wanted is None or not math.isclose(scores[0], wanted[number % len(wanted)], abs_tol=SAME_SCORE):
            mixed += 1
    return mixed


class Bench:
    def __init__(self, args, folder, stack):
        self.args, self.folder = args, folder
        self.quiet = QuietMachine(patience=args.patience)
        self.report = Report("scoring", self.quiet, arguments=arguments(args))
        self.environment = peer_programs.our_environment(args.threads)
        self.clients = stack.enter_context(
            PeerProcess([args.build / "bench/score_load"], folder / "score_load.log"))

    def serve(self, stack, name, models, dtype):
        server = stack.enter_context(RewardServer(peer_programs.ROOT, self.args.build, self.folder, name, models,
                                                  self.args.model, dtype, self.args.threads, self.environment))
        server.wait(self.clients)
        return server

    def transformers(self, stack, name, model, dtype):
        peer = peer_programs.transformers("transformers_scores.py", "--model", model, "--dtype", dtype,
                                  "--threads", str(self.args.threads))
        return stack.enter_context(PeerProcess(peer.command, self.folder / f"transformers-{name}.log",
                                               peer_programs.their_environment(self.args.threads)))

    def ask(self, server, work, **how):
        return self.clients.ask(do="score", address=server.address, dialogues=str(work.path), **how)

    def batches(self, what, server, theirs, work, bar):
        """One client that sends 16 dialogues a call, and the same batches in transformers."""
        calls, found = work.count // BATCH, {}

        def ours():
            answer = self.ask(server, work, clients=1, per_call=BATCH, calls=calls)
            found["ours"] = scores_of(answer)
            return answer

        def transformers():
            answer = theirs.ask(ids=str(work.ids), batch=BATCH)
            found["transformers"] = answer["scores"]
            return answer

        results = interleave({"ours": ours, "transformers": transformers}, self.args.repetitions, self.quiet)
        rates = {name: Spread.of([work.count / r["seconds"] for r in side]) for name, side in results.items()}
        self.report.ratio(what, rates, Bar(bar), "scores/s")
        difference = largest_difference(found["ours"], found["transformers"])
        self.report.row(f"{what}: largest difference of a score", difference, None, {"ours": Spread.of([difference])},
                        "from transformers'")

    def load(self, what, server, theirs, work, size):
        """64 clients that send one dialogue a call."""
        calls, port = CALLS[size], theirs.ready["port"]

        def checked(answer):
            scores_of(answer)
            return answer

        results = interleave({
            "ours": lambda: checked(self.ask(server, work, clients=CLIENTS, calls=calls)),
            "transformers over HTTP": lambda: checked(self.clients.ask(
                do="score", port=port, ids=str(work.ids), clients=CLIENTS, calls=calls)),
        }, self.args.repetitions, self.quiet)
        rates = {name: Spread.of([calls / r["seconds"] for r in side]) for name, side in results.items()}
        self.report.ratio(what, rates, Bar(MIXED_BARS[size]), "scores/s")

    def run_large(self, dtype):
        model = self.folder / "pm-135M"
        if not model.exists():
            with_score_head(self.args.model, model)
        with contextlib.ExitStack() as stack:
            server = self.serve(stack, f"large-{dtype}", [model], dtype)
            theirs = self.transformers(stack, dtype, model, dtype)
            alike = make_work(self.clients, self.folder, f"alike-{dtype}", model, [TOKENS] * BATCH)
            if set(alike.lengths) != {TOKENS}:
                raise RuntimeError(f"made-up dialogues have {sorted(set(alike.lengths))} tokens; wanted {TOKENS}")
            self.batches(f"{BATCH} x {TOKENS} tokens, {dtype}", server, theirs, alike, 1.0)
            self.run_real(model, dtype, server, theirs)
            mixed = make_work(self.clients, self.folder, f"mixed-{dtype}", model, dialogues.mixed_tokens(CALLS["135M"]))
            self.load(f"{CLIENTS} clients, 135M, {dtype}", server, theirs, mixed, "135M")

    def run_real(self, model, dtype, server, theirs):
        what = f"real dialogues, {dtype}"
        if not self.args.dialogues.exists():
            return self.report.skip(what, f"no {self.args.dialogues}")
        found = dialogues.real(self.args.dialogues, REAL)
        self.batches(what, server, theirs, Work(self.clients, self.folder, f"real-{dtype}", model, found), 1.5)

    def tiny(self, version):
        model = self.folder / f"pm-tiny-{version}"
        if not model.exists():
            write_llama(model, version, layers=2, width=128, score_head=True, vocabulary=5000)
        return model

    def run_tiny(self):
        with contextlib.ExitStack() as stack:
            server = self.serve(stack, "tiny", [self.tiny(1)], "float32")
            theirs = self.transformers(stack, "tiny", self.tiny(1), "float32")
            mixed = make_work(self.clients, self.folder, "mixed-tiny", self.tiny(1), dialogues.mixed_tokens(256))
            self.load(f"{CLIENTS} clients, tiny model, float32", server, theirs, mixed, "tiny")

    def expected_scores(self, server, work):
        """By version: what each scores when nothing else happens."""
        expected = {}
        for version in range(1, SWAP_VERSIONS + 1):
            self.clients.ask(do="promote", registry=str(server.registry), address=server.address, version=version)
            answer = self.ask(server, work, clients=1, calls=work.count)
            if set(answer["versions"]) != {version}:
                raise RuntimeError(f"PM {version} serves, but versions {set(answer['versions'])} answered")
            expected[version] = scores_of(answer)
        closest = min(abs(a - b) for one in expected for other in expected if one < other
                      for a, b in zip(expected[one], expected[other]))
        print(f"  the PMs' scores of a dialogue differ by {closest:.4f} or more", flush=True)
        return expected

    def run_swaps(self):
        """Blocks of promotions under load between blocks of the same load alone."""
        with contextlib.ExitStack() as stack:
            server = self.serve(stack, "swaps", [self.tiny(v) for v in range(1, SWAP_VERSIONS + 1)], "float32")
            work = make_work(self.clients, self.folder, "swaps", self.tiny(1), dialogues.mixed_tokens(SWAP_DIALOGUES))
            expected = self.expected_scores(server, work)
            count = {"calls": 0, "failed": 0, "mixed": 0, "swaps": 0}

            def counted(answer):  # disturbed blocks too
                for name, more in {"calls": answer["calls"], "failed": answer["failed"],
                                   "mixed": count_mixed(answer, expected), "swaps": answer.get("swaps", 0)}.items():
                    count[name] += more
                return {"p99_ms": answer["p99_ms"], "p50_ms": answer["p50_ms"]}

            results = interleave({
                "ours": lambda: counted(self.clients.ask(
                    do="swap", address=server.address, dialogues=str(work.path), registry=str(server.registry),
                    clients=CLIENTS, swaps=self.args.swaps // SWAP_BLOCKS)),
                "steady": lambda: counted(self.ask(server, work, clients=CLIENTS, seconds=STEADY_SECONDS)),
            }, SWAP_BLOCKS, self.quiet)
        p99 = {name: Spread.of([r["p99_ms"] for r in side]) for name, side in results.items()}
        self.report.ratio(f"p99 of a call under {count['swaps']:,} swaps, tiny model", p99, Bar(2, at_most=True), "ms",
                          against="steady")
        for name in ("failed", "mixed"):
            self.report.row(f"{name} calls under {count['swaps']:,} swaps", count[name], Bar(0, "", at_most=True),
                            {"of": Spread.of([count["calls"]])}, "calls")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = ["float32", "bfloat16", "tiny", "swaps"]
    peer_programs.add_arguments(parser)
    parser.add_argument("--dialogues", type=pathlib.Path, default=dialogues.DATA, help="hh-rlhf's harmless-base test")
    parser.add_argument("--swaps", type=int, default=1000)
    parser.add_argument("--parts", nargs="*", default=parts, choices=parts)
    args = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        bench = Bench(args, folder, stack)
        try:
            for part in args.parts:
                if part in ("float32", "bfloat16"):
                    bench.run_large(part)
                elif part == "tiny":
                    bench.run_tiny()
                else:
                    bench.run_swaps()
        except NotQuiet as error:
            sys.exit(f"stopped: {error}; what was measured is in bench/results/scoring.json")


if __name__ == "__main__":
    main()
