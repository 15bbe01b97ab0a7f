#!/usr/bin/env python3
"""Writes tests/fixtures/nn/: tiny random models of each architecture that
core/nn knows, saved by transformers, with what transformers computes from them.

    python3 tools/make_nn_fixtures.py      # needs torch, transformers 5.x

Each folder holds config.json, model.safetensors and expected.json:
  ids        one token sequence
  logits     [len(ids)][vocab], or
  score      of the whole sequence, for a sequence classifier
  greedy     8 tokens continued greedily (language models)
"""
import json
import pathlib

import torch
from transformers import (LlamaConfig, LlamaForCausalLM,
                          LlamaForSequenceClassification, MistralConfig,
                          MistralForCausalLM, Qwen2Config, Qwen2ForCausalLM,
                          Qwen3Config, Qwen3ForCausalLM)

ROOT = pathlib.Path(__file__).resolve().parent.parent / "tests/fixtures/nn"
SHAPE = dict(vocab_size=64, hidden_size=16, intermediate_size=24,
             num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
             head_dim=4, max_position_embeddings=128, bos_token_id=1,
             eos_token_id=2, pad_token_id=0)
LLAMA3 = dict(rope_type="llama3", rope_theta=10000.0, factor=4.0,
              low_freq_factor=1.0, high_freq_factor=4.0,
              original_max_position_embeddings=32)

MODELS = {
    "llama_tied": (LlamaForCausalLM, LlamaConfig(**SHAPE, tie_word_embeddings=True)),
    "llama_untied": (LlamaForCausalLM, LlamaConfig(**SHAPE, tie_word_embeddings=False,
                                                   rms_norm_eps=1e-5)),
    "llama3_rope": (LlamaForCausalLM, LlamaConfig(**SHAPE, tie_word_embeddings=True,
                                                  rope_parameters=LLAMA3)),
    "mistral": (MistralForCausalLM, MistralConfig(**SHAPE, sliding_window=None)),
    "qwen2": (Qwen2ForCausalLM, Qwen2Config(**SHAPE, tie_word_embeddings=True)),
    "qwen3": (Qwen3ForCausalLM, Qwen3Config(**SHAPE, tie_word_embeddings=True)),
    "llama_score": (LlamaForSequenceClassification, LlamaConfig(**SHAPE, num_labels=1)),
}


def main():
    for number, (name, (cls, config)) in enumerate(MODELS.items()):
        torch.manual_seed(number)
        model = cls(config).eval()
        with torch.no_grad():
            for p in model.parameters():  # norms and biases away from 1 and 0
                p.normal_(0, 0.4) if p.dim() > 1 else p.add_(torch.randn_like(p) * 0.2)
        folder = ROOT / name
        model.save_pretrained(folder)
        (folder / "generation_config.json").unlink(missing_ok=True)
        ids = torch.randint(3, 64, (1, 21))
        with torch.no_grad():
            out = model(input_ids=ids).logits[0]
        expected = {"ids": ids[0].tolist()}
        if out.shape == (1,):
            expected["score"] = out.item()
        else:
            expected["logits"] = [[round(x, 6) for x in row] for row in out.tolist()]
            tokens = ids
            for _ in range(8):
                with torch.no_grad():
                    nxt = model(input_ids=tokens).logits[:, -1].argmax(-1, keepdim=True)
                tokens = torch.cat([tokens, nxt], 1)
            expected["greedy"] = tokens[0, ids.shape[1]:].tolist()
        (folder / "expected.json").write_text(json.dumps(expected) + "\n")
        print(f"{name}: {sum(p.numel() for p in model.parameters()):,} parameters")


if __name__ == "__main__":
    main()
