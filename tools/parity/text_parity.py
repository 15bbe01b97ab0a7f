"""`rlhf tokenize` beside the tokenizer in transformers."""
import itertools
import json
import random
import time

from transformers import AutoTokenizer

from json_lines import MODEL, ROOT, JsonLines, Row, note

NUM_CODE_POINTS = 0x110000 - 0x800  # without surrogates
CHUNK = 20_000  # strings
MAX_SHOWN = 5  # differences of a kind


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
        process = JsonLines(rlhf, ["tokenize", "--model", str(MODEL)], [{"text": s} for s in chunk])
        theirs = tokenizer(chunk, add_special_tokens=False, return_attention_mask=False)["input_ids"]
        for text, mine, other in zip(chunk, process.results(), theirs):
            if mine["ids"] != other:
                different += 1
                if different <= MAX_SHOWN:
                    note(f"{json.dumps(text)}: rlhf {mine['ids'][:16]}, transformers {other[:16]}")
        done += len(chunk)
        if done % (10 * CHUNK) == 0:
            note(f"{name}: {done:,} of {total} strings, {different} different, {time.time() - start:.0f} s")
    return [Row(f"{name}: other ids", f"{done:,} strings", different, 0)]
