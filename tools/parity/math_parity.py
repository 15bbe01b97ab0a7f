"""tests/parity/math_probe.cc beside references and peers, on shared numbers."""
import collections
import dataclasses

import numpy as np

import math_cases
import math_references
from json_lines import JsonLines

BAR = 1e-6
DTYPES = ("float64", "float32")
NAMES = {
    "kl": "KL k1, k2, k3, means", "token_rewards": "token rewards, missing end", "gae": "GAE, returns",
    "whiten": "whitening", "explained_variance": "explained variance", "ppo_loss": "PPO loss, gradient",
    "value_loss": "value loss, gradient", "pairwise_loss": "PM loss, gradient", "kl_controller": "adaptive KL",
    "schedule": "learning rate", "clip": "gradient clipping", "adamw": "AdamW",
}


@dataclasses.dataclass
class Comparison:
    """The worst |ours - theirs| / (1 + |theirs|) of all calls, by dtype."""
    num_calls: int = 0
    worst: dict = dataclasses.field(default_factory=lambda: dict.fromkeys(DTYPES, 0.0))

    def missed(self):
        return not all(found <= BAR for found in self.worst.values())  # NaN misses too


def name_of(call):
    if call["function"] == "credit":
        return f"{call['algorithm']} advantages"
    return NAMES[call["function"]] + (", TensorFlow's place of epsilon" if call.get("placement") == "tensorflow" else "")


def sent(call, dtype):
    """The call as the probe reads it."""
    def plain(value):
        if isinstance(value, (list, tuple)):
            return [plain(x) for x in value]
        return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value
    return {**{name: plain(value) for name, value in call.items()}, "dtype": dtype}


def difference(ours, theirs):
    """Over all results that `theirs` has."""
    worst = 0.0
    for name, wanted in theirs.items():
        wanted = np.asarray(wanted, np.float64)
        found = np.asarray(ours[name], np.float64)
        if found.shape != wanted.shape:
            raise ValueError(f"{name}: {found.shape} numbers, not {wanted.shape}")
        worst = np.maximum(worst, np.max(np.abs(found - wanted) / (1 + np.abs(wanted)), initial=0))
    return float(worst)


def opinions(call, peers):
    """What others make of the call, by the name of who."""
    yield "float64 reference", math_references.FUNCTIONS[call["function"]](call)
    for who, function in peers.get(call["function"], []):
        if (result := function(call)) is not None:
            yield who, result


def compare(probe, peers, num_random):
    """(function, who) -> Comparison, of so many random batches and the hostile
    ones. `peers` is math_peers.FUNCTIONS, or {}."""
    calls = list(math_cases.calls(num_random))
    runs = [(i, dtype) for i, call in enumerate(calls) for dtype in DTYPES
            if dtype == "float64" or not call.get("exact_only")]
    ours = collections.defaultdict(dict)
    for (i, dtype), result in zip(runs, JsonLines(
            probe, [], (sent(calls[i], dtype) for i, dtype in runs)).results()):
        ours[i][dtype] = result
    table = {}
    for i, call in enumerate(calls):
        for who, theirs in opinions(call, peers):
            comparison = table.setdefault((name_of(call), who), Comparison())
            comparison.num_calls += 1
            for dtype, result in ours[i].items():
                comparison.worst[dtype] = float(np.maximum(comparison.worst[dtype], difference(result, theirs)))
    return table


def print_table(table):
    print(f"\n{'function':37} {'against':33} {'calls':>6} {'float64':>8} {'float32':>8} {'allowed':>8}")
    for (name, who), comparison in sorted(table.items()):
        print(f"{name:37} {who:33} {comparison.num_calls:6} {comparison.worst['float64']:8.1e} "
              f"{comparison.worst['float32']:8.1e} {BAR:8g}{'  MISSED' if comparison.missed() else ''}")


def summary(table):
    """One line: how many functions, and the worst of all."""
    worst = max(max(c.worst.values()) for c in table.values())
    missed = sum(c.missed() for c in table.values())
    verdict = f"{missed} beyond {BAR:g}" if missed else f"all within {BAR:g}"
    return (f"mathematics: {len({name for name, _ in table})} functions in {len(table)} comparisons, "
            f"worst difference {worst:.1e}, {verdict}")
