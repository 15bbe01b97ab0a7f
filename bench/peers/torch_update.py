#!/usr/bin/env python3
"""Times one update's forward and backward pass in PyTorch, with logits computed
for the response only. Prints a JSON line per measurement.

    torch_update.py --model DIR [--repetitions N]

The dialogues are those of bench/learner_bench.cc: 16 of 64 + 32 tokens ("alike"),
and 16 of a quarter to all of these lengths ("mixed"), which are padded to the
longest, prompts on the left and responses on the right.
"""
import argparse
import json
import statistics
import time

import torch
from transformers import AutoModelForCausalLM

SEQUENCES, PROMPT, RESPONSE = 16, 64, 32


def lengths(mixed, full, stride):
    if not mixed:
        return [full] * SEQUENCES
    return [full // 4 + full * 3 // 4 * (s * stride % SEQUENCES) // (SEQUENCES - 1) for s in range(SEQUENCES)]


def padded(mixed, vocabulary):
    """Token ids, the attention mask, positions, and the mask of response tokens."""
    prompts, responses = lengths(mixed, PROMPT, 7), lengths(mixed, RESPONSE, 11)
    longest, width = max(prompts), max(prompts) + max(responses)
    ids = torch.zeros(SEQUENCES, width, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for s, (prompt, response) in enumerate(zip(prompts, responses)):
        begin = longest - prompt
        ids[s, begin:longest + response] = torch.tensor(
            [(s * 7919 + t * 104729 + 17) % vocabulary for t in range(prompt + response)])
        mask[s, begin:longest + response] = 1
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    return ids, mask, positions, mask[:, longest:]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    for dtype in ("float32", "bfloat16"):
        model = AutoModelForCausalLM.from_pretrained(args.model, dtype=getattr(torch, dtype))
        for kind in ("alike", "mixed"):
            ids, mask, positions, targets = padded(kind == "mixed", model.config.vocab_size)

            def update():
                model.zero_grad(set_to_none=True)
                # Without padding there is nothing to mask: PyTorch's fastest attention.
                masked = {} if mask.all() else {"attention_mask": mask, "position_ids": positions}
                logits = model(input_ids=ids, use_cache=False, logits_to_keep=targets.shape[1] + 1, **masked).logits
                logprobs = logits[:, :-1].float().log_softmax(-1).gather(-1, ids[:, -targets.shape[1]:, None])[..., 0]
                (logprobs * targets).sum().backward()

            update()
            seconds = []
            for _ in range(args.repetitions):
                start = time.perf_counter()
                update()
                seconds.append(time.perf_counter() - start)
            print(json.dumps({"name": f"forward_backward_{dtype}_{kind}", "s_min": min(seconds),
                              "s_median": statistics.median(seconds), "s_max": max(seconds)}), flush=True)


if __name__ == "__main__":
    main()
