#!/usr/bin/env python3
"""Turns a llama-family GGUF file into a Hugging Face model directory.

    .venv/bin/python tools/import_model.py MODEL.gguf OUT_DIR

Writes config.json, generation_config.json, model.safetensors (float32),
tokenizer.json, tokenizer_config.json, special_tokens_map.json and
chat_template.jinja. OUT_DIR appears only when it is complete.

Needs gguf, numpy and safetensors. tools/requirements-setup.txt pins them.
"""

import argparse
import json
import os
import pathlib
import shutil
import sys

import numpy as np
from gguf import GGUFReader
from gguf.quants import dequantize
from safetensors.numpy import save_file

# GGUF's tensor names and Hugging Face's.
GLOBAL_NAMES = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}
LAYER_NAMES = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}

BYTE_LEVEL = {
    "type": "ByteLevel",
    "add_prefix_space": False,
    "trim_offsets": True,
    "use_regex": True,
}
# `tokenizer.ggml.pre` names how text is cut before BPE. SmolLM takes digits
# one by one.
PRE_TOKENIZERS = {
    "gpt-2": BYTE_LEVEL,
    "smollm": {
        "type": "Sequence",
        "pretokenizers": [
            {"type": "Digits", "individual_digits": True},
            BYTE_LEVEL,
        ],
    },
}

CONTROL_TOKEN = 3  # in `tokenizer.ggml.token_type`


class ImportFailure(Exception):
    """The GGUF file holds something that this importer does not know."""


class Metadata:
    def __init__(self, reader):
        self._reader = reader

    def get(self, name, default=None):
        field = self._reader.get_field(name)
        return default if field is None else field.contents()

    def need(self, name):
        value = self.get(name)
        if value is None:
            raise ImportFailure(f"the file has no metadata field {name!r}")
        return value

    def expect(self, name, wanted):
        found = self.need(name)
        if found not in wanted:
            raise ImportFailure(
                f"{name} is {found!r}; known: {', '.join(sorted(wanted))}")
        return found


def hugging_face_name(name):
    if name in GLOBAL_NAMES:
        return GLOBAL_NAMES[name]
    parts = name.split(".")  # blk.7.attn_q.weight
    if len(parts) == 4 and parts[0] == "blk" and parts[2] in LAYER_NAMES:
        return f"model.layers.{parts[1]}.{LAYER_NAMES[parts[2]]}.{parts[3]}"
    raise ImportFailure(f"unknown tensor {name!r}")


def halves_from_pairs(weight, heads):
    """Reorders the rows of each head for Hugging Face's rotary embedding.

    llama.cpp rotates neighbours (2i, 2i + 1), Hugging Face rotates
    (i, i + width / 2); rows of the projection follow.
    """
    rows, columns = weight.shape
    pairs = weight.reshape(heads, rows // heads // 2, 2, columns)
    return pairs.swapaxes(1, 2).reshape(rows, columns)


def read_tensors(reader, metadata):
    heads = metadata.need("llama.attention.head_count")
    heads_of = {
        "attn_q": heads,
        "attn_k": metadata.get("llama.attention.head_count_kv", heads),
    }
    tensors = {}
    for tensor in reader.tensors:
        weight = dequantize(tensor.data, tensor.tensor_type)
        weight = np.asarray(weight, np.float32)
        kind = tensor.name.split(".")[-2]
        if kind in heads_of:
            weight = halves_from_pairs(weight, heads_of[kind])
        tensors[hugging_face_name(tensor.name)] = np.ascontiguousarray(weight)
    return tensors


def token_ids(metadata):
    ids = {
        "bos_token_id": metadata.get("tokenizer.ggml.bos_token_id"),
        "eos_token_id": metadata.need("tokenizer.ggml.eos_token_id"),
        "pad_token_id": metadata.get("tokenizer.ggml.padding_token_id"),
        "unk_token_id": metadata.get("tokenizer.ggml.unknown_token_id"),
    }
    return {key: value for key, value in ids.items() if value is not None}


def make_config(metadata, tensors):
    width = metadata.need("llama.embedding_length")
    heads = metadata.need("llama.attention.head_count")
    theta = metadata.get("llama.rope.freq_base", 10000.0)
    return {
        "architectures": ["LlamaForCausalLM"],
        "attention_bias": False,
        "attention_dropout": 0.0,
        "dtype": "float32",
        "head_dim": metadata.get("llama.rope.dimension_count", width // heads),
        "hidden_act": "silu",
        "hidden_size": width,
        "initializer_range": 0.02,
        "intermediate_size": metadata.need("llama.feed_forward_length"),
        "max_position_embeddings": metadata.need("llama.context_length"),
        "mlp_bias": False,
        "model_type": "llama",
        "num_attention_heads": heads,
        "num_hidden_layers": metadata.need("llama.block_count"),
        "num_key_value_heads": metadata.get(
            "llama.attention.head_count_kv", heads),
        "pretraining_tp": 1,
        "rms_norm_eps": metadata.need(
            "llama.attention.layer_norm_rms_epsilon"),
        "rope_parameters": {"rope_theta": theta, "rope_type": "default"},
        "tie_word_embeddings": "lm_head.weight" not in tensors,
        "use_cache": True,
        "vocab_size": len(metadata.need("tokenizer.ggml.tokens")),
        **token_ids(metadata),
    }


def make_tokenizer(metadata):
    metadata.expect("tokenizer.ggml.model", {"gpt2"})
    tokens = metadata.need("tokenizer.ggml.tokens")
    types = metadata.need("tokenizer.ggml.token_type")
    added = [
        {
            "id": index,
            "content": token,
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
            "special": True,
        }
        for index, (token, kind) in enumerate(zip(tokens, types))
        if kind == CONTROL_TOKEN
    ]
    pre = metadata.expect("tokenizer.ggml.pre", PRE_TOKENIZERS.keys())
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": None,
        "pre_tokenizer": PRE_TOKENIZERS[pre],
        "post_processor": None,
        "decoder": {**BYTE_LEVEL, "add_prefix_space": True},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": {token: index for index, token in enumerate(tokens)},
            "merges": [
                merge.split(" ")
                for merge in metadata.need("tokenizer.ggml.merges")
            ],
        },
    }


def special_tokens(metadata):
    tokens = metadata.need("tokenizer.ggml.tokens")
    return {
        key.removesuffix("_id"): tokens[index]
        for key, index in token_ids(metadata).items()
    }


def make_tokenizer_config(metadata):
    return {
        "clean_up_tokenization_spaces": False,
        "model_max_length": metadata.need("llama.context_length"),
        "tokenizer_class": "PreTrainedTokenizerFast",
        **special_tokens(metadata),
    }


def write_directory(reader, folder):
    metadata = Metadata(reader)
    metadata.expect("general.architecture", {"llama"})
    tensors = read_tensors(reader, metadata)
    ids = token_ids(metadata)
    ids.pop("unk_token_id", None)
    files = {
        "config.json": make_config(metadata, tensors),
        "generation_config.json": {**ids, "use_cache": True},
        "tokenizer.json": make_tokenizer(metadata),
        "tokenizer_config.json": make_tokenizer_config(metadata),
        "special_tokens_map.json": special_tokens(metadata),
    }
    for name, content in files.items():
        text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
        (folder / name).write_text(text, encoding="utf-8")
    template = metadata.need("tokenizer.chat_template")
    (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
    weights = folder / "model.safetensors"
    save_file(tensors, weights, metadata={"format": "pt"})
    weights.chmod(0o644)
    return sum(tensor.size for tensor in tensors.values())


def replace_folder(new, target):
    """Two renames: a reader sees the old folder or the new one, whole."""
    if target.exists():
        old = target.with_name(f".{target.name}.old")
        shutil.rmtree(old, ignore_errors=True)
        os.rename(target, old)
        os.rename(new, target)
        shutil.rmtree(old)
    else:
        os.rename(new, target)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("gguf", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    arguments = parser.parse_args()

    target = arguments.out.absolute()
    new = target.with_name(f".{target.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    try:
        parameters = write_directory(GGUFReader(arguments.gguf), new)
        replace_folder(new, target)
    except (ImportFailure, OSError, ValueError) as error:
        shutil.rmtree(new, ignore_errors=True)
        sys.exit(f"import_model: {arguments.gguf}: {error}")
    print(f"wrote {arguments.out}: {parameters:,} parameters, float32")


if __name__ == "__main__":
    main()
