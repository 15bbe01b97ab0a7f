"""Comparisons made elsewhere, for a test to import."""

import gzip
import json
import os
import pathlib
import random

from live_run import SOURCE

HH = (pathlib.Path(os.environ.get("RLHF_SOURCE_DIR", SOURCE)).parent /
      "shared/data/hh-harmless-base-test.jsonl.gz")

# Longer dialogues do not fit into a small model: two bytes are a token, or
# fewer.
MAX_BYTES = 700
COUNT = 120

WORDS = """the a morning river garden teacher number letter bridge window small
green quiet heavy answer question carries writes holds opens counts under over
between without because although every never often seven eleven winter summer
harbour station market basket candle pepper silver copper marble""".split()


def real(path=HH):
    """Lines of hh-rlhf's harmless-base as people wrote them."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        lines = [line for line in file if fits(json.loads(line))]
    return lines[:COUNT]


def fits(pair):
    return all(len(pair[side].encode()) <= MAX_BYTES
               for side in ("chosen", "rejected"))


def invented():
    """As many of the same form, in words drawn at random."""
    draw = random.Random(5)

    def sentence(length):
        return " ".join(draw.choices(WORDS, k=length))

    lines = []
    for _ in range(COUNT):
        question = f"\n\nHuman: {sentence(12)}?\n\nAssistant: "
        lines.append(json.dumps({"chosen": question + sentence(30) + ".",
                                 "rejected": question + sentence(20) + "."})
                     + "\n")
    return lines


def comparisons():
    """Lines to import, and in words where they come from."""
    if HH.exists():
        return real(), f"{COUNT} short comparisons of {HH.name}"
    return invented(), f"{COUNT} invented comparisons, as there is no {HH}"
