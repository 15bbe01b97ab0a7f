#!/usr/bin/env python3
"""Compares `rlhf` with transformers and tokenizers on the default model and
prints the differences.

    make parity      # or: python3 tools/parity.py --rlhf build/release/bin/rlhf

Bars: tokenizer ids identical on 100,000 strings; greedy tokens identical over
64 tokens on 50 prompts, their log-probabilities within 1e-4; scores within
1e-4. Exits with 1 if one is missed.
"""
import argparse
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


def run(rlhf, args, lines):
    """The output lines of `rlhf ARGS` for these input objects."""
    text = "".join(json.dumps(line) + "\n" for line in lines)
    out = subprocess.run([rlhf, *args], input=text, capture_output=True,
                         text=True, check=False)
    if out.returncode != 0:
        sys.exit(f"rlhf {' '.join(args)} failed: {out.stderr}")
    return [json.loads(line) for line in out.stdout.splitlines()]


def real_strings():
    """Sentences, slices of source and documentation, prompts."""
    pieces = [json.loads(line)["prompt"] for line in PROMPTS.open()]
    for pattern in ("**/*.md", "**/*.cc", "**/*.h", "tools/*.py"):
        for path in sorted(ROOT.glob(pattern)):
            if "third_party" in path.parts or "build" in path.parts:
                continue
            text = path.read_text(encoding="utf-8", errors="ignore")
            pieces += text.splitlines()
            pieces += [text[i:i + 200] for i in range(0, len(text), 200)]
    return pieces


def hostile_strings(count):
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


def check_tokenizer(rlhf, count):
    tokenizer = AutoTokenizer.from_pretrained(MODEL)
    strings = real_strings()
    num_real = min(len(strings), count // 2)
    strings = strings[:num_real] + list(hostile_strings(count - num_real))
    # Every code point once, so that no Unicode table goes unseen.
    strings += ["x" + chr(c) + " 1" for c in range(1, 0x110000) if not 0xD800 <= c <= 0xDFFF]
    ours = run(rlhf, ["tokenize", "--model", str(MODEL)], [{"text": s} for s in strings])
    theirs = tokenizer(strings, add_special_tokens=False)["input_ids"]
    different = [(s, a["ids"], b) for s, a, b in zip(strings, ours, theirs) if a["ids"] != b]
    for text, a, b in different[:5]:
        print("   differs:", json.dumps(text), a[:12], b[:12])
    return [("tokenizer, strings with other ids", f"{len(strings):,} strings ({num_real:,} real)",
             len(different), 0)]


def check_generation(rlhf, num_prompts, num_tokens):
    tokenizer = AutoTokenizer.from_pretrained(MODEL)
    model = AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32).eval()
    prompts = [json.loads(line)["prompt"] for line in PROMPTS.open()][:num_prompts]
    ours = run(rlhf, ["generate", "--model", str(MODEL), "--temperature", "0",
                      "--max-new-tokens", str(num_tokens)], [{"prompt": p} for p in prompts])
    other_tokens, worst = 0, 0.0
    for prompt, mine in zip(prompts, ours):
        ids = tokenizer.apply_chat_template([{"role": "user", "content": prompt}], add_generation_prompt=True,
                                            return_dict=True)["input_ids"]
        with torch.no_grad():
            logits = model(torch.tensor([ids + mine["ids"]])).logits[0, len(ids) - 1:-1]
        logprobs = logits.log_softmax(-1)
        other_tokens += int((logits.argmax(-1) != torch.tensor(mine["ids"])).sum())
        chosen = logprobs.gather(1, torch.tensor(mine["ids"])[:, None])[:, 0]
        worst = max(worst, (chosen - torch.tensor(mine["logprobs"])).abs().max().item())
    size = f"{num_prompts} prompts x {num_tokens} tokens"
    return [("greedy tokens that differ", size, other_tokens, 0),
            ("log-probability, largest difference", size, worst, 1e-4)]


def check_scores(rlhf, num_prompts):
    tokenizer = AutoTokenizer.from_pretrained(MODEL)
    with tempfile.TemporaryDirectory() as folder:
        torch.manual_seed(1)
        model = LlamaForSequenceClassification.from_pretrained(MODEL, num_labels=1, dtype=torch.float32).eval()
        torch.nn.init.normal_(model.score.weight, std=0.05)
        model.config.pad_token_id = 0  # not the token that ends a dialogue
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        prompts = [json.loads(line)["prompt"] for line in PROMPTS.open()][:num_prompts]
        lines = [{"prompt": p, "response": f"You can try this: {p[:i % 40]}"} for i, p in enumerate(prompts)]
        ours = run(rlhf, ["score", "--model", folder], lines)
        worst = 0.0
        for line, mine in zip(lines, ours):
            text = tokenizer.apply_chat_template(
                [{"role": "user", "content": line["prompt"]}, {"role": "assistant", "content": line["response"]}],
                tokenize=False).rstrip("\n")
            ids = tokenizer(text, add_special_tokens=False, return_tensors="pt")["input_ids"]
            with torch.no_grad():
                worst = max(worst, abs(model(ids).logits.item() - mine["score"]))
    return [("score, largest difference", f"{num_prompts} dialogues", worst, 1e-4)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rlhf", default=str(ROOT / "build/release/bin/rlhf"))
    args = parser.parse_args()
    print(f"transformers {transformers.__version__}, torch {torch.__version__}, {MODEL.name}, float32\n")
    rows = []
    for check in (lambda: check_tokenizer(args.rlhf, 100_000), lambda: check_generation(args.rlhf, 50, 64),
                  lambda: check_scores(args.rlhf, 50)):
        start = time.time()
        new = check()
        rows += new
        print(f"... {new[0][0]}: {time.time() - start:.0f} s", flush=True)
    print(f"\n{'what':38} {'on':34} {'found':>10} {'allowed':>8}")
    missed = False
    for what, size, found, allowed in rows:
        bad = found > allowed
        missed |= bad
        print(f"{what:38} {size:34} {found:10.3g} {allowed:8.0e}{'  MISSED' if bad else ''}")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
