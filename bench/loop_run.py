"""The whole loop, `rlhf up`, on tiny random models, many runs at once: what the
studies of refreshes and of the sentinel share. Needs Python alone.

The simulated workers judge by a preference model of their own, the gold PM, that
neither policy nor PM ever sees. Gold reward is the mean score that the gold PM gives
to a policy's answers to EVALUATION_PROMPTS prompts, with a seed that no run has.

The gold PM's weights are half as large again as the others' (GOLD_SCALE), so that what
stands before the last token counts. With equal weights only the last one does, and the
scores of a random policy's answers differ by less than 1; with twice as large ones,
PMs of 600 comparisons agree with no more than half of held-out ones: they learn
nothing that a refresh could improve. With these they agree with two thirds, as PMs do
with people.
"""
import concurrent.futures
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

from async_study import gold_reward
from machine import arguments
from small_run import ROOT, write_llama, write_prompts

PROMPTS = 256
EVALUATION_PROMPTS = 1024
NEW_TOKENS = 8
GOLD_SCALE = 1.5
PORTS = 13


def add_arguments(parser):
    parser.add_argument("--rlhf", type=pathlib.Path, default=ROOT / "build/release/bin/rlhf")
    parser.add_argument("--jobs", type=int, default=max(1, len(os.sched_getaffinity(0))), help="runs at once")
    parser.add_argument("--first-port", type=int, default=20000, help=f"each run takes {PORTS} from there on")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="no run begins later than this")
    parser.add_argument("--keep", type=pathlib.Path,
                        help="folder for models, runs and what each found; the same command goes on from there")


def write_models(folder):
    """Policy, gold PM, training prompts, and `judging`, which gold_reward reads."""
    judging = folder / "judging"
    if judging.exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    write_llama(folder / "policy", 1, layers=2, width=32)
    write_llama(folder / "gold", 3, layers=2, width=32, score_head=True, scale=GOLD_SCALE)
    write_prompts(folder / "prompts.jsonl", PROMPTS)
    shutil.copytree(folder / "gold", judging / "pm")
    write_prompts(judging / "prompts.jsonl", EVALUATION_PROMPTS)


def judge(args, folder, policy):
    return gold_reward(args.rlhf, folder / "judging", policy, NEW_TOKENS)


def run_loop(args, folder, name, place, seed, fields, learner="", preference=""):
    """`rlhf up` to its end; the run's directory. `fields` are those of ppo, `place`
    is the number of the run among all, for its ports."""
    p = range(args.first_port + PORTS * place, args.first_port + PORTS * (place + 1))
    workers = "".join(
        f'workers {{ worker_id: "w{i}" accuracy: {args.accuracy} seconds_per_task: {args.seconds_per_task} }} '
        for i in range(6))
    config = folder / f"{name}.txtpb"
    config.write_text(f"""
name: "{name}" runs_dir: "{folder}/runs" initial_policy: "{folder}/policy"
prompts: "{folder}/prompts.jsonl" held_out_prompt_share: 0 threads: 1 seed: {seed}
sampling {{ max_new_tokens: {NEW_TOKENS} max_prompt_tokens: 128 }}
ppo {{ num_updates: {args.updates} learning_rate: {args.learning_rate} rollouts_per_update: 64 num_epochs: 2
      num_minibatches: 4 {fields} }}
learner {{ address: "127.0.0.1:{p[0]}" metrics_port: {p[1]} checkpoint_every: 1000000 rank_metrics_port: {p[2]}
          {learner} }}
actor {{ address: "127.0.0.1:{p[3]}" metrics_port: {p[4]} max_batch: 64 }}
reward_server {{ address: "127.0.0.1:{p[5]}" metrics_port: {p[6]} }}
preference {{ address: "127.0.0.1:{p[7]}" metrics_port: {p[8]} num_epochs: 4 batch_size: 8
             learning_rate: 0.002 head_learning_rate: 0.01 held_out_share: 0.2
             gate {{ min_accuracy: 0 max_accuracy_drop: 1 significance: 0 }} {preference} }}
feedback {{ http_address: "127.0.0.1:{p[9]}" address: "127.0.0.1:{p[10]}" max_comparisons: {args.comparisons} }}
crowd {{ gold_model: "{folder}/gold" metrics_port: {p[11]} {workers} }}
up {{ metrics_port: {p[12]} }}
evaluation {{ num_prompts: 0 }}
""")
    run = folder / "runs" / name
    shutil.rmtree(run, ignore_errors=True)
    done = subprocess.run([args.rlhf, "up", config], capture_output=True, text=True, timeout=900)
    if done.returncode != 0:
        raise RuntimeError(f"{name} ended with {done.returncode}: {done.stdout[-1500:]}{done.stderr[-1500:]}")
    return run


def reports(run):
    by_update = {}
    for line in (run / "metrics.jsonl").read_text().splitlines():
        report = json.loads(line)
        by_update[int(report["update"])] = report
    return [by_update[n] for n in sorted(by_update)]


def policies(run):
    return sorted((run / "registry/policy").iterdir())


def run_all(args, names, find, prepare=lambda folder: None):
    """`find(folder, name, place)` for all names, args.jobs at once, in the same place
    for each whatever was found before; what each returned, by name, of those that
    came to an end. What stands in args.keep is not run again. `prepare` changes the
    models before the first run."""
    os.environ |= {"OMP_NUM_THREADS": "1", "GOMP_SPINCOUNT": "0"}
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (args.keep or pathlib.Path(temporary)).resolve()
        write_models(folder)
        setting = json.dumps({name: value for name, value in arguments(args).items()
                              if name not in ("jobs", "seconds", "first_port", "seeds")})
        found_in = folder / "found"
        found_in.mkdir(exist_ok=True)
        said = found_in / "arguments.txt"
        if said.exists() and said.read_text() != setting:
            raise SystemExit(f"{folder} holds runs with other arguments: {said.read_text()}")
        said.write_text(setting)
        prepare(folder)

        def find_one(place, name):
            path = found_in / f"{name}.json"
            if not path.exists():
                if time.monotonic() - begun > args.seconds:
                    return name, None
                found = find(folder, name, place)
                path.with_suffix(".part").write_text(json.dumps(found))
                path.with_suffix(".part").rename(path)
                print(f"{time.monotonic() - begun:5.0f} s  {name}", flush=True)
            return name, json.loads(path.read_text())

        with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
            futures = [pool.submit(find_one, place, name) for place, name in enumerate(names)]
            results = {}
            for future in futures:
                try:
                    name, found = future.result()
                except (RuntimeError, subprocess.SubprocessError) as error:
                    print(f"failed: {error}", flush=True)
                    continue
                if found is not None:
                    results[name] = found
        return results
