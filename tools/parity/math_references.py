"""The learner's functions again, in float64 and numpy, as their equations read.

Written without a look at the C++: double sums where the code recurses, one
response after another where it is packed. Each function takes a call of
math_cases.py and returns what tests/parity/math_probe.cc returns for it.
"""
import numpy as np


def responses(call, name):
    """The packed tensor `name`, cut into responses."""
    return np.split(np.array(call[name]), np.cumsum(call["lengths"])[:-1])


def estimate_kl(estimator, logprob, ref_logprob):
    log_r = np.asarray(ref_logprob) - np.asarray(logprob)
    return {"k1": -log_r, "k2": log_r ** 2 / 2, "k3": np.expm1(log_r) - log_r}[estimator]


def kl(call):
    result = {k: estimate_kl(k, call["logprob"], call["ref_logprob"]) for k in ("k1", "k2", "k3")}
    for k in ("k1", "k3"):
        result[f"{k}_per_sequence"] = result[k].sum() / call["num_sequences"]
        result[f"{k}_per_token"] = result[k].mean()
    return result


def token_rewards(call):
    rows = []
    for logprob, ref_logprob, score, ended in zip(
            responses(call, "logprob"), responses(call, "ref_logprob"), call["score"], call["ended"]):
        row = -call["kl_coefficient"] * estimate_kl(call["estimator"], logprob, ref_logprob)
        row[-1] += score if ended else score + call["missing_eos_penalty"]
        rows.append(row)
    return {"reward": np.concatenate(rows)}


def advantages(rewards, values, discount, decay):
    """The definition: for each token a sum over all later ones."""
    length = len(rewards)
    next_values = np.append(values[1:], 0)
    delta = rewards + discount * next_values - values
    return np.array([sum((discount * decay) ** (later - t) * delta[later] for later in range(t, length))
                     for t in range(length)])


def gae(call):
    found = [advantages(r, v, call["discount"], call["lambda"])
             for r, v in zip(responses(call, "reward"), responses(call, "value"))]
    advantage = np.concatenate(found)
    return {"advantage": advantage, "return": advantage + call["value"]}


def whitened(values):
    values = np.asarray(values)
    return (values - values.mean()) / np.sqrt(values.var() + 1e-8)


def whiten(call):
    shifted = whitened(call["values"])
    return {"shifted": shifted, "unshifted": shifted + np.mean(call["values"])}


def explained_variance(call):
    returns = np.array(call["return"])
    if np.ptp(returns) == 0:
        return {"explained": 0}
    return {"explained": 1 - np.var(returns - call["value"]) / np.var(returns)}


def ppo_loss(call):
    """A case for each reason why a token has no gradient."""
    advantage, epsilon, bound = np.array(call["advantage"]), call["clip_epsilon"], call["dual_clip"]
    log_ratio = np.subtract(call["logprob"], call["old_logprob"])
    ratio = np.exp(log_ratio)
    rises = (advantage > 0) & (ratio > 1 + epsilon)
    falls = (advantage < 0) & (ratio < 1 - epsilon)
    costs = (advantage < 0) & (ratio > bound) if bound else np.zeros_like(rises)
    used = np.select([rises, falls, costs], [1 + epsilon, 1 - epsilon, bound], ratio)
    count = len(ratio)
    clipped = rises | falls | costs
    return {"loss": -(used * advantage).sum() / count,
            "gradient": np.where(clipped, 0, -ratio * advantage) / count,
            "clip_share": clipped.mean(),
            "approx_kl": (np.expm1(log_ratio) - log_ratio).mean()}


def value_loss(call):
    value, old, returns = (np.array(call[name]) for name in ("value", "old_value", "return"))
    limited = np.clip(value, old - call["clip_epsilon"], old + call["clip_epsilon"])
    clipped = np.abs(limited - returns) > np.abs(value - returns)
    count = len(value)
    return {"loss": 0.5 * np.where(clipped, limited - returns, value - returns) @
                    np.where(clipped, limited - returns, value - returns) / count,
            "gradient": np.where(clipped, 0, value - returns) / count,
            "clip_share": clipped.mean()}


def pairwise_loss(call):
    margin = np.subtract(call["chosen"], call["rejected"])
    # 1 / (1 + e^margin) without overflow.
    losing = np.exp(-np.logaddexp(0, margin))
    return {"loss": np.logaddexp(0, -margin).mean(),
            "chosen_gradient": -losing / len(margin),
            "rejected_gradient": losing / len(margin),
            "accuracy": (margin > 0).mean()}


def credit(call):
    lengths, size, name = call["lengths"], call["group_size"], call["algorithm"]
    rewards = responses(call, "reward")
    everyone = np.arange(len(lengths))
    if name == "PPO":
        return {"advantage": whitened(gae(call)["advantage"]), "trained": everyone}
    if name == "REINFORCE_PP":
        to_go = [[sum(call["discount"] ** (later - t) * row[later] for later in range(t, len(row)))
                  for t in range(len(row))] for row in rewards]
        return {"advantage": whitened(np.concatenate(to_go)), "trained": everyone}
    total = np.array([row.sum() for row in rewards]).reshape(-1, size)
    if name == "BEST_OF_K":
        best = total.argmax(axis=1) + size * np.arange(len(total))
        return {"advantage": np.repeat(np.isin(everyone, best), lengths), "trained": best}
    if name == "GRPO":
        advantage = (total - total.mean(1, keepdims=True)) / (total.std(1, ddof=1, keepdims=True) + 1e-4)
    else:
        advantage = [[row[i] - np.delete(row, i).mean() for i in range(size)] for row in total]
    return {"advantage": np.repeat(np.ravel(advantage), lengths), "trained": everyone}


def kl_controller(call):
    """AdaptiveKLController of openai/lm-human-preferences, transcribed."""
    value, coefficients = call["kl_coefficient"], []
    for current in call["kl"]:
        proportional_error = np.clip(current / call["target"] - 1, -0.2, 0.2)
        value *= 1 + proportional_error * call["num_rollouts"] / call["horizon"]
        coefficients.append(value)
    return {"coefficients": coefficients}


def schedule(call):
    def rate(seen):
        warm = min(seen / call["warmup"], 1) if call["warmup"] else 1
        halvings = seen // call["halve_every"] if call["halve_every"] else 0
        return call["learning_rate"] * warm / 2 ** halvings
    return {"rates": [rate(seen) for seen in call["rollouts_seen"]]}


def clip(call):
    gradient = np.concatenate(call["gradients"])
    norm = np.sqrt((gradient ** 2).sum())
    return {"gradient": gradient * min(1, call["max_norm"] / (norm + 1e-6))}


def adamw(call):
    """Both placements of epsilon: behind the bias correction as in PyTorch, or
    before it as in TensorFlow's Adam, which lm-human-preferences used."""
    w = np.array(call["parameter"])
    beta1, beta2, rate, epsilon = (call[k] for k in ("beta1", "beta2", "learning_rate", "epsilon"))
    m, v, trace = np.zeros_like(w), np.zeros_like(w), []
    for t, gradient in enumerate(np.array(call["gradients"]), 1):
        w = w * (1 - rate * call["weight_decay"])
        m = beta1 * m + (1 - beta1) * gradient
        v = beta2 * v + (1 - beta2) * gradient ** 2
        if call["placement"] == "tensorflow":
            rate_t = rate * np.sqrt(1 - beta2 ** t) / (1 - beta1 ** t)
            w = w - rate_t * m / (np.sqrt(v) + epsilon)
        else:
            w = w - rate * (m / (1 - beta1 ** t)) / (np.sqrt(v / (1 - beta2 ** t)) + epsilon)
        trace.append(w)
    return {"trace": np.concatenate(trace)}


FUNCTIONS = {f.__name__: f for f in (
    kl, token_rewards, gae, whiten, explained_variance, ppo_loss, value_loss, pairwise_loss, credit,
    kl_controller, schedule, clip, adamw)}
