"""Calls of the learner's functions: random batches, and hostile ones.

A call is what tests/parity/math_probe.cc reads, without the dtype. Inputs are
rounded to float32, so that both dtypes and every reference see the same
numbers. "exact_only" marks what float32 cannot hold to the bar: there the
probe runs in float64 alone.
"""
import numpy as np

import math_references

def rounded(values):
    return np.asarray(values, np.float32).astype(np.float64)


def random_batch(rng, lengths=None, spread=None, exact_only=False):
    """Rollouts of some prompts with `group` answers each."""
    group = int(rng.integers(2, 5))
    if lengths is None:
        lengths = rng.integers(1, 65, group * int(rng.integers(1, 5)))
    elif len(lengths) % group:
        group = len(lengths)
    total = int(np.sum(lengths))
    # How far the policy has moved: log-ratios.
    spread = spread or rng.choice([1e-4, 0.02, 0.3, 1])
    logprob = rounded(-rng.exponential(2, total))
    value = rounded(rng.normal(0, 1, total))
    return dict(
        lengths=np.array(lengths), group=group, logprob=logprob,
        old_logprob=rounded(logprob + rng.normal(0, spread, total)),
        ref_logprob=rounded(logprob + rng.normal(0, min(spread, 1), total)),
        value=value, old_value=rounded(value + rng.normal(0, 0.3, total)),
        score=rounded(rng.normal(0, 2, len(lengths))), ended=rng.random(len(lengths)) < 0.6,
        kl_coefficient=float(rng.choice([0, 0.001, 0.05, 1])), missing_eos_penalty=float(rng.choice([0, -1])),
        estimator=str(rng.choice(["k1", "k2", "k3"])),
        discount=float(rng.choice([1, 0.99])), decay=float(rng.choice([0.95, 0, 1])),
        clip_epsilon=float(rng.choice([0.05, 0.2])), dual_clip=float(rng.choice([0, 3])),
        value_clip_epsilon=float(rng.choice([0.2, 1])), exact_only=exact_only)


def hostile_batches(rng):
    def batch(changes, **how):
        result = random_batch(rng, **how)
        result.update(changes(result))
        return result

    yield random_batch(rng, lengths=[1])
    yield random_batch(rng, lengths=[1, 1])
    yield random_batch(rng, lengths=[64] * 8)
    yield random_batch(rng, lengths=list(range(1, 65)))
    yield batch(lambda b: dict(ended=np.ones_like(b["ended"])))
    yield batch(lambda b: dict(ended=np.zeros_like(b["ended"]), missing_eos_penalty=-100.0))
    yield batch(lambda b: dict(old_logprob=b["logprob"], ref_logprob=b["logprob"]))
    # Nothing varies: rewards, values and advantages are equal everywhere.
    yield batch(lambda b: dict(score=0 * b["score"], kl_coefficient=0.0, value=0 * b["value"],
                               ended=np.ones_like(b["ended"])))
    yield batch(lambda b: dict(score=0 * b["score"] + rounded(0.1), kl_coefficient=0.0, missing_eos_penalty=0.0),
                lengths=[7] * 4)
    yield batch(lambda b: dict(score=rounded(1000 + b["score"])))
    yield batch(lambda b: dict(value=rounded(1000 + b["value"]), old_value=rounded(1000 + b["old_value"])),
                exact_only=True)
    yield batch(lambda b: dict(score=rounded(1e-6 * b["score"]), value=rounded(1e-6 * b["value"])))
    yield batch(lambda b: dict(score=rounded(1e4 * b["score"])))
    # Ratios up to e^5, and in float64 up to e^30 and down to nothing.
    yield batch(lambda b: dict(old_logprob=rounded(b["logprob"] + rng.uniform(-5, 5, len(b["logprob"])))))
    yield batch(lambda b: dict(old_logprob=rounded(b["logprob"] + rng.uniform(-30, 30, len(b["logprob"])))),
                exact_only=True)
    yield batch(lambda b: dict(old_logprob=b["logprob"] - 40.0, ref_logprob=b["logprob"] - 40.0), exact_only=True)
    yield batch(lambda b: dict(old_logprob=b["logprob"] + 200.0, ref_logprob=b["logprob"] - 200.0), exact_only=True)


def calls_of_batch(b):
    """All functions on one batch, each on the reference's results of the one
    before it."""
    def call(function, *names, **rest):
        return dict(function=function, exact_only=b["exact_only"], lengths=b["lengths"],
                    **{name: b[name] for name in names}, **rest)

    yield call("kl", "logprob", "ref_logprob", num_sequences=len(b["lengths"]))
    rewards = call("token_rewards", "logprob", "ref_logprob", "score", "ended", "kl_coefficient",
                   "estimator", "missing_eos_penalty")
    yield rewards
    reward = rounded(math_references.token_rewards(rewards)["reward"])
    discounting = dict(discount=b["discount"], **{"lambda": b["decay"]})
    gae = call("gae", "value", reward=reward, **discounting)
    yield gae
    found = {name: rounded(x) for name, x in math_references.gae(gae).items()}
    yield call("explained_variance", "value", **{"return": found["return"]})
    for values in (found["advantage"], reward):
        yield call("whiten", values=values)
    advantage = rounded(math_references.whitened(found["advantage"]))
    for advantages in (advantage, 0 * advantage):
        yield call("ppo_loss", "logprob", "old_logprob", "clip_epsilon", "dual_clip", advantage=advantages)
    yield call("value_loss", "value", "old_value", clip_epsilon=b["value_clip_epsilon"],
               **{"return": found["return"]})
    for algorithm in ("PPO", "REINFORCE_PP", "GRPO", "RLOO", "BEST_OF_K"):
        if b["group"] > 1 or algorithm in ("PPO", "REINFORCE_PP"):
            yield call("credit", "value", algorithm=algorithm, group_size=b["group"], reward=reward, **discounting)


def other_calls(rng):
    """What takes no rollouts."""
    for margin in (0, 1e-6, 0.5, 3, 30, 1000):
        pairs = int(rng.integers(1, 65))
        yield dict(function="pairwise_loss", chosen=rounded(rng.normal(0, margin, pairs)),
                   rejected=rounded(rng.normal(0, margin, pairs)))
    yield dict(function="kl_controller", kl_coefficient=0.2, target=6, horizon=10000, num_rollouts=64,
               kl=rng.exponential(6, 100))
    yield dict(function="kl_controller", kl_coefficient=0.001, target=0.5, horizon=100, num_rollouts=100,
               kl=[0, 0.4, 0.5, 0.6, 1e6, -3])
    seen = [0, 1, 12_500, 24_999, 25_000, 99_999, 100_000, 100_001, 199_999, 200_000, 900_000]
    for warmup, halve_every in ((0, 0), (25_000, 0), (0, 100_000), (25_000, 100_000)):
        yield dict(function="schedule", learning_rate=3e-6, warmup=warmup, halve_every=halve_every,
                   rollouts_seen=seen)
    for scale in (0, 1e-20, 1e-3, 1, 1e6):
        yield dict(function="clip", max_norm=1.0,
                   gradients=[rounded(rng.normal(0, scale, n)) for n in (1, 64, 7)])
    for placement in ("torch", "tensorflow"):
        for epsilon, decay in ((1e-5, 0), (1e-8, 0), (1e-5, 0.1), (1, 0.1)):
            # Gradients over many sizes; every fourth is zero.
            sizes = 10.0 ** -rng.integers(0, 5, 30) * (np.arange(30) % 4 > 0)
            yield dict(function="adamw", placement=placement, beta1=0.9, beta2=0.95, epsilon=epsilon,
                       weight_decay=decay, learning_rate=0.01, parameter=rounded(rng.normal(0, 1, 16)),
                       gradients=[rounded(rng.normal(0, 1, 16) * size) for size in sizes])


def calls(num_random):
    rng = np.random.default_rng(20221126)
    for _ in range(num_random):
        yield from calls_of_batch(random_batch(rng))
        yield dict(function="pairwise_loss", chosen=rounded(rng.normal(0, 3, 16)),
                   rejected=rounded(rng.normal(0, 3, 16)))
    for batch in hostile_batches(rng):
        yield from calls_of_batch(batch)
    yield from other_calls(rng)
