#!/usr/bin/env python3
"""llama.cpp, through llama-cpp-python's bindings of libllama, as a side of
bench/generation_bench.py: one batch of prompts, then one batch of one token a
sequence for each step, with its own sampler at temperature 1.

    llama_generate.py --gguf FILE [--from FILE --type F32|BF16|Q8_0]

Where there is no `--gguf` yet, it is made of `--from` with weights of `--type`.
"""
import argparse
import ctypes
import json
import os

import llama_cpp as llama

from line_server import Times, serve, versions

FILE_TYPES = {"F32": 0, "Q8_0": 7, "BF16": 32}  # enum llama_ftype
F32_TENSOR = 0  # GGML_TYPE_F32
UNIT_TOKENS = 512  # llama.cpp's own default of n_ubatch

silence = llama.llama_log_callback(lambda level, text, data: None)  # kept alive: libllama holds a pointer to it


def convert(source, target, kind, threads):
    """Writes `target`, whole or not at all."""
    settings = llama.llama_model_quantize_default_params()
    settings.ftype, settings.allow_requantize, settings.nthread = FILE_TYPES[kind], True, threads
    if kind == "F32":  # the default leaves these as they are in the source
        settings.token_embedding_type = settings.output_tensor_type = F32_TENSOR
    os.makedirs(os.path.dirname(target), exist_ok=True)
    part = target + ".part"
    if llama.llama_model_quantize(source.encode(), part.encode(), ctypes.byref(settings)) != 0:
        raise SystemExit(f"libllama cannot make {kind} weights of {source}")
    os.rename(part, target)


class Context:
    """Room for `batch` sequences of `length` tokens."""

    def __init__(self, model, batch, length, threads):
        settings = llama.llama_context_default_params()
        settings.n_ctx, settings.n_seq_max = batch * max(length, 256), batch
        settings.n_batch, settings.n_ubatch = max(UNIT_TOKENS, batch * length), UNIT_TOKENS
        settings.n_threads = settings.n_threads_batch = threads
        settings.no_perf = True
        self.pointer = llama.llama_init_from_model(model, settings)
        if not self.pointer:
            raise SystemExit("libllama has no memory for the context")
        self._tokens = llama.llama_batch_init(batch * length, 0, 1)

    def clear(self):
        llama.llama_memory_clear(llama.llama_get_memory(self.pointer), True)

    def feed(self, rows, position):
        """Adds tokens to every sequence; returns where the logits of each one's last
        token stand in the batch."""
        batch, at, last = self._tokens, 0, []
        for sequence, row in enumerate(rows):
            for offset, token in enumerate(row):
                batch.token[at], batch.pos[at] = token, position + offset
                batch.n_seq_id[at], batch.seq_id[at][0] = 1, sequence
                batch.logits[at] = offset == len(row) - 1
                at += 1
            last.append(at - 1)
        batch.n_tokens = at
        if llama.llama_decode(self.pointer, batch) != 0:
            raise SystemExit("llama_decode failed")
        return last

    def close(self):
        llama.llama_batch_free(self._tokens)
        llama.llama_free(self.pointer)


def make_sampler(seed):
    sampler = llama.llama_sampler_chain_init(llama.llama_sampler_chain_default_params())
    llama.llama_sampler_chain_add(sampler, llama.llama_sampler_init_temp(ctypes.c_float(1.0)))
    llama.llama_sampler_chain_add(sampler, llama.llama_sampler_init_dist(seed))
    return sampler


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gguf", required=True)
    parser.add_argument("--from", dest="source")
    parser.add_argument("--type", choices=list(FILE_TYPES))
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    llama.llama_log_set(silence, ctypes.c_void_p(0))
    llama.llama_backend_init()
    if not os.path.exists(args.gguf):
        convert(args.source, args.gguf, args.type, args.threads)
    model = llama.llama_model_load_from_file(args.gguf.encode(), llama.llama_model_default_params())
    if not model:
        raise SystemExit(f"libllama cannot load {args.gguf}")
    held = {}  # the context of the last shape

    def answer(prompts, batch, new_tokens):
        with open(prompts) as file:
            rows = json.load(file)[:batch]
        prompt_tokens = len(rows[0])
        shape = (batch, prompt_tokens + new_tokens)
        if shape not in held:
            for old in held.values():
                old.close()
            held.clear()
            held[shape] = Context(model, *shape, args.threads)
        context = held[shape]
        context.clear()
        sampler = make_sampler(1)
        times = Times()
        for step in range(new_tokens):
            last = context.feed(rows, prompt_tokens + step - 1 if step else 0)
            rows = [[llama.llama_sampler_sample(sampler, context.pointer, at)] for at in last]
            times.note()
        result = times.answer()
        llama.llama_sampler_free(sampler)
        return result

    serve(answer, versions=versions("llama-cpp-python"))


if __name__ == "__main__":
    main()
