#!/usr/bin/env python3
"""Makes tests/fixtures/math/*.json: float64 references for the C++ mathematics.

Written independently of the C++ code: sums of O(T^2) where the code recurses,
and the padded formulas that TRL and OpenAI's code use where the code is packed.
Inputs are rounded to float32, so that float32 and float64 see the same numbers.

    python tools/make_math_fixtures.py        (needs numpy and torch)
"""

import json
import pathlib

import numpy as np
import torch

FOLDER = pathlib.Path(__file__).parent.parent / "tests" / "fixtures" / "math"


def rounded(values):
    return np.asarray(values, np.float32).astype(np.float64)


def write(name, fixture):
    def plain(value):
        if isinstance(value, np.ndarray):
            return value.tolist()
        if isinstance(value, np.generic):
            return value.item()
        raise TypeError(type(value))

    text = json.dumps(fixture, default=plain, separators=(",", ":"))
    (FOLDER / f"{name}.json").write_text(text + "\n")


def split(packed, lengths):
    return np.split(packed, np.cumsum(lengths)[:-1])


def padded(packed, lengths):
    """[S, T] with zeros behind, and the mask."""
    rows = np.zeros((len(lengths), max(lengths)))
    mask = np.zeros_like(rows)
    for s, part in enumerate(split(packed, lengths)):
        rows[s, : len(part)] = part
        mask[s, : len(part)] = 1
    return rows, mask


def make_kl(rng):
    logprob = rounded(-rng.exponential(2, 40))
    ref_logprob = rounded(logprob + rng.normal(0, 0.7, 40))
    ratio = np.exp(ref_logprob) / np.exp(logprob)
    k1, k2, k3 = -np.log(ratio), np.log(ratio) ** 2 / 2, ratio - 1 - np.log(ratio)
    write("kl", dict(logprob=logprob, ref_logprob=ref_logprob, k1=k1, k2=k2, k3=k3,
                     k1_sum=k1.sum(), k3_sum=k3.sum()))


def brute_force_advantages(rewards, values, discount, decay):
    """The definition: a double sum per response."""
    length = len(rewards)
    result = np.zeros(length)
    for t in range(length):
        for later in range(t, length):
            next_value = values[later + 1] if later + 1 < length else 0.0
            delta = rewards[later] + discount * next_value - values[later]
            result[t] += (discount * decay) ** (later - t) * delta
    return result


def padded_advantages(rewards, values, discount, decay):
    """As TRL: one recursion over right-padded rows, columns backwards."""
    last, columns = np.zeros(len(rewards)), []
    for t in reversed(range(rewards.shape[1])):
        next_values = values[:, t + 1] if t + 1 < rewards.shape[1] else 0.0
        delta = rewards[:, t] + discount * next_values - values[:, t]
        last = delta + discount * decay * last
        columns.append(last)
    return np.stack(columns[::-1], axis=1)


def make_rewards_and_advantages(rng):
    cases = []
    for discount, decay, beta, penalty in [(1, 0.95, 0.05, -1.0), (0.9, 0.5, 0.001, 0.0),
                                           (1, 1, 0.2, -0.25), (0.99, 0, 0, 0)]:
        lengths = [1, 7, 2, 13, 1]
        total = sum(lengths)
        logprob = rounded(-rng.exponential(2, total))
        ref_logprob = rounded(logprob + rng.normal(0, 0.7, total))
        score, values = rounded(rng.normal(0, 2, 5)), rounded(rng.normal(0, 1, total))
        ended = [True, False, True, True, False]

        rewards = []
        for s, (policy, reference) in enumerate(zip(split(logprob, lengths), split(ref_logprob, lengths))):
            row = [-beta * (p - r) for p, r in zip(policy, reference)]
            row[-1] += score[s] + (0 if ended[s] else penalty)
            rewards.append(np.array(row))
        advantages = [brute_force_advantages(r, v, discount, decay)
                      for r, v in zip(rewards, split(values, lengths))]

        packed_rewards = np.concatenate(rewards)
        rows, mask = padded(packed_rewards, lengths)
        peer = padded_advantages(rows, padded(values, lengths)[0], discount, decay)
        np.testing.assert_allclose(peer[mask == 1], np.concatenate(advantages), rtol=1e-12, atol=1e-12)

        cases.append(dict(discount=discount, decay=decay, kl_coefficient=beta,
                          missing_eos_penalty=penalty, lengths=lengths, logprob=logprob,
                          ref_logprob=ref_logprob, score=score, ended=ended, value=values,
                          reward=packed_rewards, advantage=np.concatenate(advantages),
                          **{"return": np.concatenate(advantages) + values}))
    write("advantage", cases)


def make_whiten(rng):
    values = rounded(rng.normal(3, 2, 50))
    mean = sum(values) / 50
    variance = sum((v - mean) ** 2 for v in values) / 50
    shifted = np.array([(v - mean) / np.sqrt(variance + 1e-8) for v in values])
    predictions = rounded(values + rng.normal(0, 1, 50))
    write("whiten", dict(values=values, mean=mean, variance=variance, shifted=shifted,
                         unshifted=shifted + mean, predictions=predictions,
                         explained_variance=1 - np.var(values - predictions) / np.var(values)))


def make_ppo_loss(rng):
    """TRL's form: the larger of two losses per token."""
    cases = []
    for epsilon in [0.2, 0.05]:
        old = rounded(-rng.exponential(2, 40))
        new = rounded(old + rng.normal(0, 0.3, 40))
        advantage = rounded(rng.normal(0, 1, 40))
        ratio = np.exp(new - old)
        losses = -advantage * ratio
        losses2 = -advantage * np.clip(ratio, 1 - epsilon, 1 + epsilon)
        gradient = np.where(losses2 > losses, 0, -advantage * ratio)
        cases.append(dict(clip_epsilon=epsilon, logprob=new, old_logprob=old, advantage=advantage,
                          loss_sum=np.maximum(losses, losses2).sum(), gradient=gradient,
                          clip_count=int((losses2 > losses).sum()),
                          approx_kl_sum=(ratio - 1 - np.log(ratio)).sum()))
    write("ppo_loss", cases)


def make_decoupled_ppo_loss(rng):
    """In probabilities, as the paper writes it: the sampling policy's share of
    each token is divided out."""
    cases = []
    for cap in [2.0, 1000.0]:
        behaviour = rounded(-rng.exponential(2, 40))
        prox = rounded(behaviour + rng.normal(0, 0.8, 40))
        new = rounded(prox + rng.normal(0, 0.3, 40))
        advantage = rounded(rng.normal(0, 1, 40))
        weight = np.minimum(np.exp(prox) / np.exp(behaviour), cap)
        ratio = np.exp(new) / np.exp(prox)
        surrogate = np.where(advantage > 0, np.minimum(ratio, 1.2), np.maximum(ratio, 0.8)) * advantage
        moves = np.where(advantage > 0, ratio < 1.2, ratio > 0.8)
        cases.append(dict(cap=cap, logprob=new, prox_logprob=prox, behaviour_logprob=behaviour,
                          advantage=advantage, weight=weight, loss_sum=-(weight * surrogate).sum(),
                          gradient=np.where(moves, -weight * ratio * advantage, 0),
                          mean=weight.mean(), capped_share=(weight == cap).mean(),
                          effective_share=weight.sum() ** 2 / (40 * (weight ** 2).sum())))
    write("decoupled_ppo_loss", cases)


def make_value_loss(rng):
    cases = []
    for epsilon in [0.2, 1.0]:
        old, returns = rounded(rng.normal(0, 1, 40)), rounded(rng.normal(0, 1, 40))
        new = rounded(old + rng.normal(0, 0.5, 40))
        clipped = np.clip(new, old - epsilon, old + epsilon)
        losses, losses2 = (new - returns) ** 2, (clipped - returns) ** 2
        cases.append(dict(clip_epsilon=epsilon, value=new, old_value=old, returns=returns,
                          loss_sum=0.5 * np.maximum(losses, losses2).sum(),
                          gradient=np.where(losses2 > losses, 0, new - returns),
                          clip_count=int((losses2 > losses).sum())))
    write("value_loss", cases)


def make_pairwise_loss(rng):
    chosen, rejected = rounded(rng.normal(0, 3, 30)), rounded(rng.normal(0, 3, 30))
    margin = chosen - rejected
    write("pairwise_loss", dict(chosen=chosen, rejected=rejected,
                                loss_sum=np.log(1 + np.exp(-margin)).sum(),
                                chosen_gradient=-1 / (1 + np.exp(margin)),
                                correct_count=int((chosen > rejected).sum())))


def make_worker_loss(rng):
    """Probabilities of what each worker said, with the gradient by the difference
    quotient's limit: t times what was not expected."""
    chosen, rejected = rounded(rng.normal(0, 3, 30)), rounded(rng.normal(0, 3, 30))
    temperature, offset = rounded(rng.uniform(0, 2, 30)), rounded(rng.normal(0, 1, 30))
    weight = rounded(rng.uniform(0, 2, 30))
    expected = 1 / (1 + np.exp(-temperature * (chosen - rejected)) * np.exp(-offset))
    write("worker_loss", dict(chosen=chosen, rejected=rejected, temperature=temperature,
                              offset=offset, weight=weight,
                              loss_sum=-(weight * np.log(expected)).sum(),
                              chosen_gradient=-weight * temperature * (1 - expected)))


def make_calibration(rng):
    """Wilson's interval as the roots of (p - k/n)^2 = z^2 p (1 - p) / n."""
    intervals = []
    for correct, total in [(0, 10), (7, 10), (10, 10), (650, 1000), (1, 1), (1586, 3050)]:
        share, z = correct / total, 1.959963984540054
        low, high = sorted(np.roots([1 + z * z / total, -2 * share - z * z / total, share * share]).real)
        intervals.append(dict(correct=correct, total=total, low=max(low, 0), high=min(high, 1)))

    margins, bins = rng.normal(0.8, 1.5, 200), 10
    confidence = 1 / (1 + np.exp(-np.abs(margins)))
    edges, error = np.linspace(0.5, 1, bins + 1), 0
    for low, high in zip(edges[:-1], edges[1:]):
        inside = (confidence >= low) & (confidence < high)
        if inside.any():
            error += inside.mean() * abs(confidence[inside].mean() - (margins[inside] > 0).mean())
    won = 1 / (1 + np.exp(-margins))
    write("calibration", dict(intervals=intervals, margins=margins, num_bins=bins,
                              correct=int((margins > 0).sum()), ece=error,
                              brier=np.mean((won - 1) ** 2)))


def make_adamw(rng):
    """Twenty steps of torch.optim.AdamW, unfused, in float64: two groups."""
    options = dict(beta1=0.9, beta2=0.95, epsilon=1e-5, weight_decay=0.1)
    initial = [rounded(rng.normal(0, 1, 6)), rounded(rng.normal(0, 1, 3))]
    rates, parameters = [0.01, 0.1], [torch.tensor(x, requires_grad=True) for x in initial]
    optimizer = torch.optim.AdamW(
        [dict(params=[p], lr=lr) for p, lr in zip(parameters, rates)],
        betas=(options["beta1"], options["beta2"]), eps=options["epsilon"],
        weight_decay=options["weight_decay"], foreach=False, fused=False)
    steps = []
    for step in range(20):
        gradients = [rounded(rng.normal(0, 10.0 ** -(step % 4), x.shape)) for x in initial]
        for parameter, gradient in zip(parameters, gradients):
            parameter.grad = torch.tensor(gradient)
        optimizer.step()
        steps.append(dict(gradients=gradients,
                          parameters=[p.detach().numpy().copy() for p in parameters]))
    write("adamw", dict(**options, learning_rates=rates, initial=initial, steps=steps))


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    makers = [make_kl, make_rewards_and_advantages, make_whiten, make_ppo_loss,
              make_value_loss, make_pairwise_loss, make_calibration, make_adamw,
              make_decoupled_ppo_loss, make_worker_loss]
    for seed, make in enumerate(makers):
        make(np.random.default_rng(seed))


if __name__ == "__main__":
    main()
