"""A run that is over in seconds: tiny random models, simulated workers."""

import pathlib
import sys

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / "bench"))

from small_run import write_llama, write_prompts  # noqa: E402

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
    write_llama(folder / "model", 1, layers=2, width=32)
    write_llama(folder / "gold", 2, layers=2, width=32, score_head=True)
    write_prompts(folder / "prompts.jsonl", 40)
    (folder / "run.txtpb").write_text(RUN.format(folder=seen_as or folder))
