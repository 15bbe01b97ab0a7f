"""A run that is over in seconds: tiny random models, simulated workers."""

import json
import math
import pathlib
import random
import shutil
import struct

SOURCE = pathlib.Path(__file__).resolve().parents[2]
WIDTH, INNER, VOCABULARY, LAYERS, HEADS, KV_HEADS = 32, 64, 512, 2, 4, 2

RUN = """
name: "tiny"
runs_dir: "{folder}/runs"
initial_policy: "{folder}/model"
prompts: "{folder}/prompts.jsonl"
held_out_prompt_share: 0.3
threads: 1
sampling {{ max_new_tokens: 8 max_prompt_tokens: 240 }}
ppo {{ num_updates: 2 rollouts_per_update: 8 learning_rate: 0.001 }}
preference {{
  refresh_at: [24]
  batch_size: 8
  gate {{ min_accuracy: 0 max_accuracy_drop: 1 }}
}}
crowd {{
  # What a random model writes is never finished, so a PM judges.
  gold_model: "{folder}/gold"
  workers {{ worker_id: "ada" accuracy: 0.9 seconds_per_task: 0.05 }}
  workers {{ worker_id: "ben" accuracy: 0.9 seconds_per_task: 0.05 }}
}}
evaluation {{ num_prompts: 4 }}
"""


def write_tiny_loop(folder, seen_as=None):
    """Writes models, prompts and run.txtpb; `seen_as` is what the run calls it."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_model(folder / "model", seed=1, is_pm=False)
    write_model(folder / "gold", seed=2, is_pm=True)
    (folder / "prompts.jsonl").write_text(
        "".join(json.dumps({"prompt": f"make tea {i}"}) + "\n" for i in range(40)))
    (folder / "run.txtpb").write_text(RUN.format(folder=seen_as or folder))


def shapes():
    """Names and shapes of a small Llama's weights."""
    kv = WIDTH // HEADS * KV_HEADS
    yield "model.embed_tokens.weight", [VOCABULARY, WIDTH]
    for i in range(LAYERS):
        layer = f"model.layers.{i}."
        yield layer + "input_layernorm.weight", [WIDTH]
        yield layer + "self_attn.q_proj.weight", [WIDTH, WIDTH]
        yield layer + "self_attn.k_proj.weight", [kv, WIDTH]
        yield layer + "self_attn.v_proj.weight", [kv, WIDTH]
        yield layer + "self_attn.o_proj.weight", [WIDTH, WIDTH]
        yield layer + "post_attention_layernorm.weight", [WIDTH]
        yield layer + "mlp.gate_proj.weight", [INNER, WIDTH]
        yield layer + "mlp.up_proj.weight", [INNER, WIDTH]
        yield layer + "mlp.down_proj.weight", [WIDTH, INNER]
    yield "model.norm.weight", [WIDTH]


def write_model(folder, seed, is_pm):
    shutil.copytree(SOURCE / "tests/fixtures/text/tiny_tokenizer", folder)
    config = {
        "architectures": ["LlamaForSequenceClassification" if is_pm
                          else "LlamaForCausalLM"],
        "model_type": "llama", "vocab_size": VOCABULARY, "hidden_size": WIDTH,
        "intermediate_size": INNER, "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS, "num_key_value_heads": KV_HEADS,
        "head_dim": WIDTH // HEADS, "max_position_embeddings": 1024,
        "rms_norm_eps": 1e-5, "tie_word_embeddings": True, "hidden_act": "silu",
        "rope_theta": 10000.0, "bos_token_id": 1, "eos_token_id": 2,
        "pad_token_id": 0}
    weights = list(shapes())
    if is_pm:
        config |= {"id2label": {"0": "LABEL_0"}, "label2id": {"LABEL_0": 0}}
        weights.append(("score.weight", [1, WIDTH]))
    (folder / "config.json").write_text(json.dumps(config))
    write_safetensors(folder / "model.safetensors", weights, random.Random(seed))


def write_safetensors(path, weights, generator):
    header, body = {"__metadata__": {"format": "pt"}}, b""
    for name, shape in weights:
        count = math.prod(shape)
        values = ([1.0] * count if len(shape) == 1 else
                  [generator.gauss(0, 1 if name == "score.weight" else 0.1)
                   for _ in range(count)])
        end = len(body) + 4 * count
        header[name] = {"dtype": "F32", "shape": shape,
                        "data_offsets": [len(body), end]}
        body += struct.pack(f"<{count}f", *values)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)
