"""Small random models, and a run of learner, actor and reward server on them:
what the asynchronous benchmark and study share. Needs Python alone.
"""
import array
import contextlib
import dataclasses
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import struct
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
TOKENIZER = ROOT / "tests/fixtures/text/tiny_tokenizer"
VOCABULARY = 512


def write_llama(folder, seed, layers, width, score_head=False, scale=1.0, vocabulary=VOCABULARY):
    """A random Llama with the tests' tokenizer, as a Hugging Face directory; with
    a random score head as a preference model. The larger `scale`, the more do the
    tokens before the last one count. The tokenizer makes VOCABULARY tokens only,
    whatever `vocabulary` the model has."""
    heads, kv_heads = 4, 2
    head, inner = width // heads, 2 * width
    draw = random.Random(seed)
    shapes = {"model.embed_tokens.weight": (vocabulary, width)}
    for i in range(layers):
        at = f"model.layers.{i}."
        shapes |= {
            at + "input_layernorm.weight": (width,),
            at + "self_attn.q_proj.weight": (width, width),
            at + "self_attn.k_proj.weight": (kv_heads * head, width),
            at + "self_attn.v_proj.weight": (kv_heads * head, width),
            at + "self_attn.o_proj.weight": (width, width),
            at + "post_attention_layernorm.weight": (width,),
            at + "mlp.gate_proj.weight": (inner, width),
            at + "mlp.up_proj.weight": (inner, width),
            at + "mlp.down_proj.weight": (width, inner)}
    shapes["model.norm.weight"] = (width,)
    if score_head:
        shapes["score.weight"] = (1, width)
    header, blobs, offset = {"__metadata__": {"format": "pt"}}, [], 0
    for name, shape in shapes.items():
        count = shape[0] * (shape[1] if len(shape) > 1 else 1)
        deviation = 1.0 if name == "score.weight" else 0.1 * scale * (32 / width) ** 0.5
        values = [1.0] * count if len(shape) == 1 else [draw.gauss(0, deviation) for _ in range(count)]
        blobs.append(array.array("f", values).tobytes())
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [offset, offset + 4 * count]}
        offset += 4 * count
    folder.mkdir(parents=True)
    text = json.dumps(header).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + b"".join(blobs))
    config = {
        "architectures": ["LlamaForSequenceClassification" if score_head else "LlamaForCausalLM"],
        "model_type": "llama", "vocab_size": vocabulary, "hidden_size": width, "intermediate_size": inner,
        "num_hidden_layers": layers, "num_attention_heads": heads, "num_key_value_heads": kv_heads,
        "head_dim": head, "max_position_embeddings": 1024, "rms_norm_eps": 1e-5, "tie_word_embeddings": True,
        "hidden_act": "silu", "rope_theta": 10000.0, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
    if score_head:
        config["num_labels"] = 1
    (folder / "config.json").write_text(json.dumps(config))
    for file in TOKENIZER.iterdir():
        shutil.copy(file, folder)


def write_prompts(path, count):
    path.write_text("".join(json.dumps({"prompt": f"make tea {i}"}) + "\n" for i in range(count)))


def free_ports(count):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for s in sockets:
            s.bind(("127.0.0.1", 0))
        return [s.getsockname()[1] for s in sockets]


@dataclasses.dataclass
class SmallRun:
    """One run in `folder`, which holds policy/, pm/ and prompts.jsonl."""
    rlhf: pathlib.Path
    folder: pathlib.Path
    name: str
    threads: int
    new_tokens: int
    ppo: str  # of the run file
    seed: int = 1
    reward_delay: float = 0
    processes: list = dataclasses.field(default_factory=list)

    @property
    def directory(self):
        return self.folder / "runs" / self.name

    def reports(self):
        """Every update so far, each once, in order."""
        path = self.directory / "metrics.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return [json.loads(line) for line in lines]

    def start(self, *command):
        environment = os.environ | {"OMP_NUM_THREADS": str(self.threads), "GOMP_SPINCOUNT": "0"}
        with open(self.folder / f"{self.name}-{pathlib.Path(command[1]).name}.log", "ab") as log:
            self.processes.append(subprocess.Popen(command, env=environment, stdout=log, stderr=log))
        return self.processes[-1]

    def run(self, on_update=lambda reports: None, timeout=300):
        """Runs the learner to its end; `on_update` sees every new report."""
        programs = self.rlhf.parent.parent / "bench"
        shutil.rmtree(self.directory, ignore_errors=True)
        subprocess.run([programs / "publish_pm", self.folder / "pm", self.directory], check=True)
        p = free_ports(7)
        config = self.folder / f"{self.name}.txtpb"
        config.write_text(f"""
name: "{self.name}" runs_dir: "{self.folder}/runs" initial_policy: "{self.folder}/policy"
prompts: "{self.folder}/prompts.jsonl" held_out_prompt_share: 0 threads: {self.threads} seed: {self.seed}
sampling {{ max_new_tokens: {self.new_tokens} max_prompt_tokens: 128 }}
ppo {{ {self.ppo} }}
learner {{ address: "127.0.0.1:{p[0]}" metrics_port: {p[1]} checkpoint_every: 1000000 }}
actor {{ address: "127.0.0.1:{p[2]}" metrics_port: {p[3]} max_batch: 64 }}
reward_server {{ address: "127.0.0.1:{p[4]}" metrics_port: {p[5]} }}
""")
        clients = ["--config", config]
        deadline = time.monotonic() + timeout
        try:
            self.start(self.rlhf, "reward-server", "--config", config)
            if self.reward_delay > 0:
                slow = f"127.0.0.1:{p[6]}"
                self.start(programs / "slow_rewards", slow, f"127.0.0.1:{p[4]}", str(self.reward_delay))
                clients += ["--set", f"reward_server.address={slow}"]
            self.start(self.rlhf, "actor", *clients)
            learner = self.start(self.rlhf, "learner", *clients)
            seen = 0
            while learner.poll() is None:
                reports = self.reports()
                if len(reports) > seen:
                    seen = len(reports)
                    on_update(reports)
                if time.monotonic() > deadline:
                    raise RuntimeError(f"{self.name} is not done within {timeout} s; see {self.folder}")
                time.sleep(0.01)
            if learner.returncode != 0:
                raise RuntimeError(f"the learner of {self.name} ended with {learner.returncode}")
        finally:
            for process in self.processes:
                if process.poll() is None:
                    process.send_signal(signal.SIGTERM)
            for process in self.processes:
                process.wait(60)
        return self.reports()
