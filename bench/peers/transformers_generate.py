#!/usr/bin/env python3
"""transformers' generate() as a side of bench/generation_bench.py.

Samples at temperature 1 over the whole vocabulary, never ending early, and keeps no
log-probabilities. `pad` masks so many tokens of the first prompt, as a batch of mixed
lengths has them: another attention path, sometimes the faster one.
"""
import argparse
import json

import torch
from transformers import AutoModelForCausalLM, GenerationConfig, StoppingCriteria

from line_server import Times, serve, versions


class NoteFirst(StoppingCriteria):
    """Asked after each token of the batch; stops nothing."""

    def __init__(self, times):
        self._times = times

    def __call__(self, input_ids, scores, **kwargs):
        self._times.note()
        return torch.zeros(input_ids.shape[0], dtype=torch.bool)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--dtype", required=True, choices=["float32", "bfloat16"])
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    model = AutoModelForCausalLM.from_pretrained(args.model, dtype=getattr(torch, args.dtype)).eval()
    model.generation_config.eos_token_id = None

    def answer(prompts, batch, new_tokens, pad=0):
        with open(prompts) as file:
            ids = torch.tensor(json.load(file)[:batch])
        mask = torch.ones_like(ids)
        mask[0, :pad] = 0
        settings = GenerationConfig(max_new_tokens=new_tokens, do_sample=True, temperature=1.0, top_k=0, top_p=1.0,
                                    eos_token_id=None, pad_token_id=0)
        times = Times()
        with torch.inference_mode():
            out = model.generate(input_ids=ids, attention_mask=mask, generation_config=settings,
                                 stopping_criteria=[NoteFirst(times)])
        result = times.answer()
        assert out.shape == (batch, ids.shape[1] + new_tokens), out.shape
        return result

    serve(answer, versions=versions("torch", "transformers"))


if __name__ == "__main__":
    main()
