#!/usr/bin/env python3
"""Times whole updates, ours against TRL's, one after the other on this
machine: same model, same PM, same prompts, responses of exactly 32 tokens.

    make bench       # or: .venv-bench/bin/python bench/ppo_bench.py --rlhf build/release/bin/rlhf

Ours is the loop of processes as users run it (learner, actor, reward server);
an update is what lies between two lines of metrics.jsonl. Memory is that of all
processes together (memory.py). Prints a table and writes bench/results/ppo.json,
where rows of earlier calls on the same day stay.
"""
import argparse
import contextlib
import dataclasses
import datetime
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from machine import machine
from memory import MemoryWatch
from small_run import free_ports

ROOT = pathlib.Path(__file__).resolve().parent.parent
MODEL = ROOT / "models/SmolLM2-135M-Instruct"
BATCH, MINIBATCHES, NEW_TOKENS, MAX_PROMPT = 16, 2, 32, 64
# One role computes at a time here, and no PM is trained beside them, so threads may
# wait as long as they like; `rlhf up` lets them spin 2,000 (docs/decisions/0015).
SPIN = 20000
UNUSED_TOKEN = 3  # a special token that no response holds

@dataclasses.dataclass(frozen=True)
class Row:
    """What a row compares, and its bars: seconds of TRL / ours, and our memory
    / that of TRL in float32. None: reported without a bar."""
    dtype: str = "float32"
    size: str = "135M"
    algorithm: str = "PPO"
    critic: str = "SEPARATE"
    speed_bar: float | None = None
    memory_bar: float | None = None

    def trl(self, dtype=None):
        """The key of TRL's side."""
        return f"{self.algorithm} {self.size} {dtype or self.dtype}"


ROWS = {
    "separate-fp32": Row(speed_bar=1.7, memory_bar=0.75),
    "separate-bf16": Row(dtype="bfloat16", speed_bar=1.7, memory_bar=0.65),
    "shared-bf16": Row(dtype="bfloat16", critic="SHARED", speed_bar=2.5, memory_bar=0.4),
    "tiny-fp32": Row(size="tiny", speed_bar=10),
    "grpo-fp32": Row(algorithm="GRPO"),
    "rloo-fp32": Row(algorithm="RLOO"),
    "grpo-tiny": Row(algorithm="GRPO", size="tiny"),
    "rloo-tiny": Row(algorithm="RLOO", size="tiny"),
}
GROUP = 4  # responses to one prompt, with GRPO and RLOO


def make_models(folder):
    """Hugging Face directories: model and PM, 135M and tiny, that never stop."""
    import torch
    from transformers import (AutoModelForCausalLM, AutoTokenizer, LlamaConfig,
                              LlamaForCausalLM, LlamaForSequenceClassification)
    torch.manual_seed(1)
    tokenizer = AutoTokenizer.from_pretrained(MODEL)
    tiny = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=128, intermediate_size=384, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=512, tie_word_embeddings=True)
    for size, model in (("135M", AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32)),
                        ("tiny", LlamaForCausalLM(tiny))):
        model.config.eos_token_id = model.generation_config.eos_token_id = UNUSED_TOKEN
        model.config.bos_token_id = model.config.pad_token_id = 0
        pm = LlamaForSequenceClassification(model.config)
        pm.config.num_labels = 1
        pm.score = torch.nn.Linear(model.config.hidden_size, 1, bias=False)
        pm.model.load_state_dict(model.model.state_dict())
        for part, kind in ((model, "policy"), (pm, "pm")):
            directory = folder / f"{size}-{kind}"
            part.save_pretrained(directory)
            for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
                         "chat_template.jinja", "vocab.json", "merges.txt"):
                if (MODEL / name).exists():
                    shutil.copy(MODEL / name, directory)
    with open(ROOT / "examples/prompts.jsonl") as lines:
        prompts = [json.loads(line) for line in lines]
    short = [p for p in prompts if len(tokenizer.apply_chat_template(
        [{"role": "user", "content": p["prompt"]}], add_generation_prompt=True,
        return_dict=True)["input_ids"]) <= MAX_PROMPT]
    (folder / "prompts.jsonl").write_text("".join(json.dumps(p) + "\n" for p in short))


def wait_for(condition, processes, seconds, what):
    deadline = time.monotonic() + seconds
    while not condition():
        for p in processes:
            if p.poll() not in (None, 0):
                sys.exit(f"{p.args[1]} ended with exit code {p.returncode} while waiting for {what}; see its log")
        if time.monotonic() > deadline:
            sys.exit(f"no {what} within {seconds} s")
        time.sleep(0.01)


def run_ours(rlhf, folder, row, updates, threads):
    kind = ROWS[row]
    run = folder / "runs" / row
    shutil.rmtree(run, ignore_errors=True)
    subprocess.run([rlhf.parent.parent / "bench/publish_pm", folder / f"{kind.size}-pm", run], check=True)
    p = free_ports(6)
    ppo = f"algorithm: {kind.algorithm} "
    if kind.algorithm != "PPO":
        ppo += f"samples_per_prompt: {GROUP}"
    elif kind.critic == "SEPARATE":
        ppo += f'num_minibatches: {MINIBATCHES} critic: SEPARATE critic_model: "{folder}/{kind.size}-pm"'
    else:
        ppo += f"num_minibatches: {MINIBATCHES}"
    dtype = kind.dtype.upper()
    config = folder / f"{row}.txtpb"
    config.write_text(f"""
name: "{row}" runs_dir: "{folder}/runs" initial_policy: "{folder}/{kind.size}-policy"
prompts: "{folder}/prompts.jsonl" held_out_prompt_share: 0 threads: {threads}
sampling {{ max_new_tokens: {NEW_TOKENS} max_prompt_tokens: {MAX_PROMPT} }}
ppo {{ num_updates: {updates + 100} rollouts_per_update: {BATCH} {ppo} }}
learner {{ address: "127.0.0.1:{p[0]}" metrics_port: {p[1]} dtype: {dtype} checkpoint_every: 1000000 }}
actor {{ address: "127.0.0.1:{p[2]}" metrics_port: {p[3]} max_batch: {BATCH} dtype: {dtype} }}
reward_server {{ address: "127.0.0.1:{p[4]}" metrics_port: {p[5]} dtype: {dtype} }}
""")
    metrics = run / "metrics.jsonl"
    environment = os.environ | {
        "OMP_NUM_THREADS": str(threads), "GOMP_SPINCOUNT": str(SPIN)}
    processes = []
    try:
        for role in ("reward-server", "actor", "learner"):
            with open(folder / f"{row}-{role}.log", "wb") as log:
                processes.append(subprocess.Popen(
                    [rlhf, role, "--config", config], env=environment, stdout=log, stderr=log))
        watch = MemoryWatch([p.pid for p in processes])
        times = []
        for n in range(1, updates + 2):
            wait_for(lambda: metrics.exists() and metrics.read_bytes().count(b"\n") >= n,
                     processes, 600, f"update {n} of {row}")
            times.append(time.monotonic())
        watch.stop()
        memory = {p.args[1]: size for p, size in zip(processes, watch.rss_bytes)}
    finally:
        for process in processes:
            process.kill()  # asked to stop, the learner would write a checkpoint
            process.wait()
    reports = [json.loads(line) for line in metrics.read_text().splitlines()][1:]
    phases = {phase: statistics.median(r.get(f"{phase}_seconds", 0) for r in reports)
              for phase in ("generation", "advantage", "update", "broadcast")}
    return {"seconds": [b - a for a, b in zip(times, times[1:])], "phases": phases,
            "peak_bytes": watch.peak_bytes, "peak_rss_bytes": watch.peak_rss_bytes, "rss_bytes": memory}


def run_trl(folder, key, iterations, threads):
    algorithm, size, dtype = key.split()
    process = subprocess.Popen(
        [sys.executable, ROOT / "bench/peers/trl_update.py", "--algorithm", algorithm, "--model", folder / f"{size}-policy",
         "--pm", folder / f"{size}-pm", "--prompts", folder / "prompts.jsonl", "--dtype", dtype,
         "--batch", str(BATCH), "--minibatch", str(BATCH // MINIBATCHES), "--new-tokens", str(NEW_TOKENS),
         "--iterations", str(iterations), "--threads", str(threads)],
        env=os.environ | {"OMP_NUM_THREADS": str(threads)}, stdout=subprocess.PIPE, text=True)
    watch = MemoryWatch([process.pid])
    output = process.communicate()[0]
    watch.stop()
    if process.returncode != 0:
        sys.exit(f"TRL ended with exit code {process.returncode}")
    return json.loads(output.splitlines()[-1]) | {
        "peak_bytes": watch.peak_bytes, "peak_rss_bytes": watch.peak_rss_bytes}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rlhf", type=pathlib.Path, default=ROOT / "build/release/bin/rlhf")
    parser.add_argument("--rows", nargs="*", default=list(ROWS), choices=list(ROWS))
    parser.add_argument("--updates", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--ours-only", action="store_true", help="leave TRL out")
    parser.add_argument("--models", type=pathlib.Path, help="folder of the models, made there if it is empty")
    args = parser.parse_args()
    path = ROOT / "bench/results/ppo.json"
    results = load_results(path, args.threads)
    rows, trl = results["rows"], results["trl"]
    with contextlib.ExitStack() as stack:
        folder = args.models or pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        if not (folder / "prompts.jsonl").exists():
            make_models(folder)
        for row in args.rows:
            rows[row] = run_ours(args.rlhf, folder, row, args.updates, args.threads)
            print(f"{row}: {statistics.median(rows[row]['seconds']):.2f} s an update", flush=True)
            for key in sorted({ROWS[row].trl(), ROWS[row].trl("float32")}):
                if not args.ours_only and key not in trl:
                    trl[key] = run_trl(folder, key, args.updates, args.threads)
                    print(f"TRL {key}: {statistics.median(trl[key]['seconds']):.2f} s", flush=True)
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(results, indent=1) + "\n")
    for row in rows:
        print(describe(row, rows[row], trl))


def load_results(path, threads):
    head = {"date": datetime.date.today().isoformat(), "machine": machine(), "threads": threads}
    results = json.loads(path.read_text()) if path.exists() else {}
    same = all(results.get(key) == value for key, value in head.items())
    return results if same else head | {"rows": {}, "trl": {}}


def describe(row, ours, trl):
    kind = ROWS[row]
    median = statistics.median(ours["seconds"])
    text = f"{row:14} ours {median:7.3f} s {ours['peak_bytes'] / 1e9:5.2f} GB"
    text += "  (" + ", ".join(f"{k} {v:.3f}" for k, v in ours["phases"].items()) + ")"
    theirs, full = trl.get(kind.trl()), trl.get(kind.trl("float32"))
    if theirs is None or full is None:
        return text
    their_median = statistics.median(theirs["seconds"])
    return (text + f"  TRL {their_median:7.3f} s {theirs['peak_bytes'] / 1e9:5.2f} GB"
            f"  {their_median / median:.2f}x" + (f" (bar {kind.speed_bar})" if kind.speed_bar else "")
            + f"  memory {ours['peak_bytes'] / full['peak_bytes']:.2f}"
            + (f" (bar {kind.memory_bar})" if kind.memory_bar else ""))


if __name__ == "__main__":
    main()
