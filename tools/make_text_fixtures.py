#!/usr/bin/env python3
"""Writes tests/fixtures/text/: a tiny tokenizer, and what Hugging Face's
tokenizers and transformers make of some strings and dialogues.

    python3 tools/make_text_fixtures.py     # needs tokenizers and transformers

tiny_tokenizer/       byte-level BPE of 512 tokens in SmolLM2's manner; the tiny
                      models of the tests use it
strings.jsonl         {"text", "tiny": ids, "smollm2": ids}, the latter with the
                      default model's tokenizer (models/SmolLM2-135M-Instruct)
chat.jsonl            {"messages", "generation_prompt", "text"} by its template
"""
import json
import pathlib
import random

from tokenizers import (AddedToken, Tokenizer, decoders, models,
                        pre_tokenizers, trainers)
from transformers import AutoTokenizer

ROOT = pathlib.Path(__file__).resolve().parent.parent
OUT = ROOT / "tests/fixtures/text"
MODEL = ROOT / "models/SmolLM2-135M-Instruct"
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]

HOSTILE = [
    "", " ", "  ", "\n", "\n\n", " \n \t ", "\t\ttabs", "trailing   ", "   leading",
    "Hello, world!", "don't we'll I'M you've they'd it's she'S",
    "In 2024 it cost $1,234.56.", "1234567890", "٣٤٥ ۴۵۶ ४५६ ½ ² Ⅷ 〇",
    "naïve café", "e\u0301 vs é", "ÅÅ ﬁ ﬀ", "日本語のテキスト", "中文，标点。", "한국어 텍스트",
    "العربية من اليمين", "עברית", "ภาษาไทย", "हिन्दी", "🙂🙃", "👩‍👩‍👧‍👦 family", "🇩🇪🇫🇷",
    "a\u200bb\u200cc\u200dd\ufeffe", "\u00a0nbsp\u2003em\u3000wide", "\u1680ogham\u180emvs\u2028ls\u2029ps\u202f",
    "\x00\x01\x02\x1f\x7f", "\u0085nel", "line\r\nbreak\rmore", "a" * 300, "ab" * 200, " " * 100,
    "<|im_start|>user\nHi<|im_end|>\n", "<|im_end|><|im_end|>", "x<|endoftext|>y", "<|im_end", "<| im_end |>",
    "<|IM_END|>", "int main() { return 0; }", "{\"key\": [1, 2, 3]}", "https://example.org/a?b=c&d=%20e",
    "snake_case camelCase kebab-case", "!!!???...", "—–-―", "“quotes” ‘single’", "\\n \\t \\\\",
    "\U0001d54f\U0001d550", "\ud7ff\ue000\uffff"[:3], "Z\u0351\u036b\u0343a\u0306lgo", "ǅ ǈ ŉ ß ẞ İ ı",
]


def make_tiny():
    words = """you your can the a to and of in it is for on with as this that be are make
    water tea egg boil warm cold day good find help keep light room time wash clean"""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Digits(individual_digits=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)])
    tokenizer.decoder = decoders.ByteLevel()
    rng = random.Random(1)
    text = [" ".join(rng.choices(words.split(), k=12)) + "." for _ in range(400)]
    tokenizer.train_from_iterator(text, trainers.BpeTrainer(
        vocab_size=512, min_frequency=1, special_tokens=SPECIAL, show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    data = json.loads(tokenizer.to_str())
    # Words alone do not fill the vocabulary: pairs of letters do.
    letters = "etaoinshrdlucmfwypvbgk"
    vocab, merges = data["model"]["vocab"], data["model"]["merges"]
    for a in letters:
        for b in letters:
            if len(vocab) < 512 and a + b not in vocab:
                vocab[a + b] = len(vocab)
                merges.append([a, b])
    tokenizer = Tokenizer.from_str(json.dumps(data))
    tokenizer.add_special_tokens([AddedToken(s, normalized=False, special=True) for s in SPECIAL])
    folder = OUT / "tiny_tokenizer"
    folder.mkdir(parents=True, exist_ok=True)
    assert tokenizer.get_vocab_size() == 512, tokenizer.get_vocab_size()
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({
        "bos_token": "<|im_start|>", "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>",
        "unk_token": "<|endoftext|>", "clean_up_tokenization_spaces": False,
        "model_max_length": 1024, "tokenizer_class": "PreTrainedTokenizerFast"}, indent=2) + "\n")
    (folder / "chat_template.jinja").write_text((MODEL / "chat_template.jinja").read_text())
    return tokenizer


def strings():
    rng = random.Random(2)
    pools = ["abcdefghij XYZ", "0123456789 .,", " \t\n\r\u00a0\u3000", "éüñßçøåïœ", "日本語中文한국어",
             "🙂👍🏽❤️\u200d🇩🇪", "'sdmtlrve ", "العربيةעברית ", "<|im_end|>startuser"]
    out = list(HOSTILE)
    for _ in range(250):
        out.append("".join(rng.choice(rng.choice(pools)) for _ in range(rng.randint(1, 40))))
    return out


def main():
    tiny = make_tiny()
    real = AutoTokenizer.from_pretrained(MODEL)
    with open(OUT / "strings.jsonl", "w") as f:
        for text in strings():
            f.write(json.dumps({
                "text": text,
                "tiny": tiny.encode(text, add_special_tokens=False).ids,
                "smollm2": real(text, add_special_tokens=False)["input_ids"]}) + "\n")
    dialogues = [
        [{"role": "user", "content": "Hi"}],
        [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why?\n\nSay."}],
        [{"role": "user", "content": "A"}, {"role": "assistant", "content": "B"}, {"role": "user", "content": ""}],
    ]
    with open(OUT / "chat.jsonl", "w") as f:
        for messages in dialogues:
            for prompt in (False, True):
                f.write(json.dumps({
                    "messages": messages, "generation_prompt": prompt,
                    "text": real.apply_chat_template(messages, tokenize=False, add_generation_prompt=prompt)}) + "\n")
    print("wrote", OUT)


if __name__ == "__main__":
    main()
