#!/usr/bin/env python3
"""Compares `rlhf tokenize`, `generate` and `score` with transformers on the
default model and prints the differences.

    make parity      # or: python3 tools/parity.py --rlhf build/release/bin/rlhf

Bars: token ids identical for every Unicode code point in context, for 100,000
random strings and for this repository's own text; greedy tokens identical over
64 tokens on 50 prompts, with log-probabilities within 1e-4; scores within 1e-4.
Exits with 1 if one is missed.
"""
import argparse
import itertools
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import torch
import transformers
from transformers import (AutoModelForCausalLM, AutoTokenizer,
                          LlamaForSequenceClassification)

ROOT = pathlib.Path(__file__).resolve().parent.parent
MODEL = ROOT / "models/SmolLM2-135M-Instruct"
PROMPTS = ROOT / "examples/prompts.jsonl"
NUM_CODE_POINTS = 0x110000 - 0x800  # without surrogates
CHUNK = 20_000  # strings
MAX_SHOWN = 5  # differences of a kind


class Rlhf:
    """`rlhf ARGS` at work on these objects, each a line of JSON."""

    def __init__(self, binary, args, objects):
        self.what = f"rlhf {' '.join(args)}"
        self.num_lines = len(objects)
        self.output = tempfile.TemporaryFile()
        with tempfile.TemporaryFile() as lines:
            lines.writelines(json.dumps(o).encode() + b"\n" for o in objects)
            lines.seek(0)
            self.process = subprocess.Popen([binary, *args], stdin=lines, stdout=self.output)

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


def note(text):
    print(f"  {text}", flush=True)


def prompts(count):
    with PROMPTS.open(encoding="utf-8") as lines:
        return [json.loads(line)["prompt"] for line in itertools.islice(lines, count)]


def code_point_strings():
    """Every code point between letters, digits and spaces, and doubled."""
    for point in range(0x110000):
        if not 0xD800 <= point <= 0xDFFF:
            c = chr(point)
            yield f"a{c}b 1{c}2 {c}{c} {c}"


def random_strings(count):
    """Random text over scripts, spaces, digits, marks and special tokens."""
    rng = random.Random(1)
    pools = ["abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJ", "0123456789", " \t\n\r\u00a0\u2003\u3000\u200b",
             ".,;:!?'\"()[]{}<>|/\\@#$%^&*-_=+~`", "éüñßçøåïœĳŉ", "日本語中文字한국어テスト",
             "العربيةעבריתไทยहिन्दी", "🙂👍🏽❤️\u200d🇩🇪👩‍👧", "\u0301\u0308\u20e3", "½²Ⅷ٣४〇"]
    special = ["<|im_start|>", "<|im_end|>", "<|endoftext|>", "<repo_name>", "'s", "'ll", "'T"]
    for _ in range(count):
        parts = []
        for _ in range(rng.randint(1, 12)):
            kind = rng.random()
            if kind < 0.1:
                parts.append(rng.choice(special))
            elif kind < 0.2:
                parts.append(chr(rng.choice([rng.randint(1, 0xD7FF), rng.randint(0xE000, 0x10FFFF)])))
            else:
                pool = rng.choice(pools)
                parts.append("".join(rng.choice(pool) for _ in range(rng.randint(1, 8))))
        yield "".join(parts)


def repository_strings():
    """Lines of source and documentation, and slices across lines."""
    for folder in ("actor", "cli", "core", "docs", "examples", "feedback", "proto", "tests", "tools", "trainer"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in (".cc", ".h", ".py", ".md", ".proto", ".txtpb", ".jsonl", ".svg"):
                text = path.read_text(encoding="utf-8", errors="ignore")
                yield from text.splitlines()
                yield from (text[i:i + 200] for i in range(0, len(text), 200))


def check_tokenizer(rlhf, name, strings, total):
    """Both work on a chunk at the same time, so memory stays small."""
    tokenizer = AutoTokenizer.from_pretrained(MODEL)
    done, different, start = 0, 0, time.time()
    strings = iter(strings)
    while chunk := list(itertools.islice(strings, CHUNK)):
        process = Rlhf(rlhf, ["tokenize", "--model", str(MODEL)], [{"text": s} for s in chunk])
        theirs = tokenizer(chunk, add_special_tokens=False, return_attention_mask=False)["input_ids"]
        for text, mine, other in zip(chunk, process.results(), theirs):
            if mine["ids"] != other:
                different += 1
                if different <= MAX_SHOWN:
                    note(f"{json.dumps(text)}: rlhf {mine['ids'][:16]}, transformers {other[:16]}")
        done += len(chunk)
        if done % (10 * CHUNK) == 0:
            note(f"{name}: {done:,} of {total} strings, {different} different, {time.time() - start:.0f} s")
    return [(f"{name}: other ids", f"{done:,} strings", different, 0)]


def first_difference(a, b):
    """The first place where the lists differ, or None."""
    if a == b:
        return None
    return next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))


def check_generation(rlhf, num_prompts, num_tokens):
    tokenizer = AutoTokenizer.from_pretrained(MODEL)
    model = AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32).eval()
    ours = Rlhf(rlhf, ["generate", "--model", str(MODEL), "--temperature", "0", "--max-new-tokens",
                       str(num_tokens)], [{"prompt": p} for p in prompts(num_prompts)]).results()
    note(f"rlhf generate: {num_prompts} prompts")
    other_tokens, worst = 0, 0.0
    for i, (prompt, mine) in enumerate(zip(prompts(num_prompts), ours), 1):
        ids = tokenizer.apply_chat_template([{"role": "user", "content": prompt}], add_generation_prompt=True,
                                            return_dict=True, return_tensors="pt")
        length = ids["input_ids"].shape[1]
        with torch.inference_mode():
            theirs = model.generate(**ids, do_sample=False, max_new_tokens=num_tokens)[0, length:].tolist()
            response = torch.tensor([mine["ids"]])
            logits = model(torch.cat([ids["input_ids"], response], 1)).logits[0, length - 1:-1]
        chosen = logits.log_softmax(-1).gather(1, response.T)[:, 0]
        worst = max(worst, (chosen - torch.tensor(mine["logprobs"])).abs().max().item())
        at = first_difference(mine["ids"], theirs)
        if at is not None:
            other_tokens += 1
            pair = [tokenizer.decode(tokens[at:at + 1]) for tokens in (mine["ids"], theirs)]
            gap = "" if at == len(mine["ids"]) else \
                f", whose logit is {(logits[at].max() - logits[at, mine['ids'][at]]).item():.2g} below the best"
            note(f"{prompt!r}: token {at} is {pair[1]!r} in transformers and {pair[0]!r} in rlhf{gap}")
        if i % 10 == 0:
            note(f"transformers: {i} of {num_prompts} prompts, {other_tokens} different")
    size = f"{num_prompts} prompts x {num_tokens} tokens"
    return [("greedy: prompts with other tokens", size, other_tokens, 0),
            ("log-probability: largest difference", size, worst, 1e-4)]


def check_scores(rlhf, num_prompts):
    tokenizer = AutoTokenizer.from_pretrained(MODEL)
    lines = [{"prompt": p, "response": f"You can try this: {p[:i % 40]}"}
             for i, p in enumerate(prompts(num_prompts))]
    with tempfile.TemporaryDirectory() as folder:
        torch.manual_seed(1)
        model = LlamaForSequenceClassification.from_pretrained(MODEL, num_labels=1, dtype=torch.float32).eval()
        torch.nn.init.normal_(model.score.weight, std=0.05)
        model.config.pad_token_id = 0  # not the token that ends a dialogue
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        ours = Rlhf(rlhf, ["score", "--model", folder], lines).results()
    worst, scores = 0.0, []
    for line, mine in zip(lines, ours):
        text = tokenizer.apply_chat_template(
            [{"role": "user", "content": line["prompt"]}, {"role": "assistant", "content": line["response"]}],
            tokenize=False).removesuffix("\n")
        ids = tokenizer(text, add_special_tokens=False, return_tensors="pt")["input_ids"]
        with torch.inference_mode():
            scores.append(model(ids).logits.item())
        worst = max(worst, abs(scores[-1] - mine["score"]))
    note(f"scores from {min(scores):.3f} to {max(scores):.3f}")
    return [("score: largest difference", f"{num_prompts} dialogues", worst, 1e-4)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rlhf", default=str(ROOT / "build/release/bin/rlhf"))
    rlhf = parser.parse_args().rlhf
    for path, make in ((pathlib.Path(rlhf), "make"), (MODEL / "model.safetensors", "make setup")):
        if not path.exists():
            sys.exit(f"{path} is missing: run `{make}`")
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    print(f"transformers {transformers.__version__}, torch {torch.__version__}, {MODEL.name}, float32")
    checks = [
        (check_tokenizer, "code points", code_point_strings(), f"{NUM_CODE_POINTS:,}"),
        (check_tokenizer, "random text", random_strings(100_000), "100,000"),
        (check_tokenizer, "this repository", repository_strings(), "all"),
        (check_generation, 50, 64),
        (check_scores, 50),
    ]
    rows = []
    for check, *args in checks:
        start = time.time()
        new = check(rlhf, *args)
        print(f"{new[0][0].split(':')[0]}: {time.time() - start:.0f} s", flush=True)
        rows += new
    print(f"\n{'what':38} {'on':26} {'found':>8} {'allowed':>8}")
    for what, size, found, allowed in rows:
        print(f"{what:38} {size:26} {found:8.2g} {allowed:8g}{'  MISSED' if found > allowed else ''}")
    sys.exit(int(any(found > allowed for _, _, found, allowed in rows)))


if __name__ == "__main__":
    main()
