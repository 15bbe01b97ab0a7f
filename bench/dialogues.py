"""Dialogues to score: real ones, and made-up ones of known lengths."""
import gzip
import json
import pathlib
import random
import re

DATA = pathlib.Path(__file__).resolve().parent.parent.parent / "shared/data/hh-harmless-base-test.jsonl.gz"
TURN = re.compile(r"\n\n(Human|Assistant): ?")
WORD = " tea"  # one token of the tokenizers here


def parse(text):
    """"\\n\\nHuman: …\\n\\nAssistant: …" as messages and the last response; None if it is
    no dialogue that an answer ends."""
    parts = TURN.split(text)[1:]
    turns = [{"role": "user" if who == "Human" else "assistant", "content": said.strip()}
             for who, said in zip(parts[::2], parts[1::2])]
    if len(turns) < 2 or turns[-1]["role"] != "assistant" or not all(turn["content"] for turn in turns):
        return None
    return {"messages": turns[:-1], "response": turns[-1]["content"]}


def real(path, count, longest=1500, seed=7):
    """`count` dialogues of hh-rlhf of at most so many characters, of any topic."""
    with gzip.open(path, "rt") as file:
        found = [parse(json.loads(line)["chosen"]) for line in file]
    fitting = [d for d in found if d and sum(len(m["content"]) for m in d["messages"]) + len(d["response"]) <= longest]
    return random.Random(seed).sample(fitting, count)


def made_up(number, words):
    """No two numbers give equal ones, and the number changes no length."""
    return {"messages": [{"role": "user", "content": f"Question {number:06d}"}], "response": "Tea" + WORD * words}


def mixed_tokens(count, shortest=24, longest=256, seed=7):
    """As many of each length, in any order."""
    lengths = [shortest + i * (longest - shortest) // max(count - 1, 1) for i in range(count)]
    random.Random(seed).shuffle(lengths)
    return lengths


def words_for(tokens, bare, with_ten):
    """How many words a dialogue of `tokens` tokens has, where one without any has
    `bare` and one of ten `with_ten`."""
    return max(1, round((tokens - bare) / ((with_ten - bare) / 10)))
