"""The same calls in other people's code: TRL's and torch's, in float64.

Where TRL has a function, it is called. The mathematics of PPOTrainer, and the
advantages of GRPO and RLOO, stand in the middle of long methods: there the
lines are taken out of the installed source and run as they are ("lines of").
A function returns None for a call that it has no answer to.
"""
import collections
import contextlib
import inspect
import textwrap
import types
import warnings

import numpy as np
import torch

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # that PPOTrainer is experimental
    from trl.experimental.ppo import ppo_trainer
    from trl.trainer import grpo_trainer, reward_trainer, rloo_trainer


class Lines:
    """The lines of a method from the one that begins with `first` up to the one
    before `until`."""

    def __init__(self, method, first, until):
        self.module = inspect.getmodule(method)
        lines = inspect.getsource(inspect.unwrap(method)).splitlines()
        begin = next(i for i, line in enumerate(lines) if line.strip().startswith(first))
        end = next(i for i, line in enumerate(lines[begin:], begin) if line.strip().startswith(until))
        self.code = compile(textwrap.dedent("\n".join(lines[begin:end])), f"lines of {method.__qualname__}", "exec")

    def run(self, /, **variables):
        names = {**vars(self.module), **variables}
        exec(self.code, names)
        return types.SimpleNamespace(**names)


PPO_TRAIN = ppo_trainer.PPOTrainer.train
MISSING_EOS = Lines(PPO_TRAIN, "if self.args.missing_eos_penalty is not None:", "# accelerator.print")
REWARDS = Lines(PPO_TRAIN, "logr = ref_logprobs - logprobs", "# 5. whiten rewards")
ADVANTAGES = Lines(PPO_TRAIN, "lastgaelam = 0", "advantages = masked_whiten(")
LOSSES = Lines(PPO_TRAIN, "vpredclipped = torch.clamp(", "accelerator.backward(loss)")
CLIP_SHARE = Lines(PPO_TRAIN, "pg_clipfrac = masked_mean(", "prob_dist =")
GRPO_ADVANTAGES = Lines(grpo_trainer.GRPOTrainer._generate_and_score_completions, "unscorable_mask =",
                        "# Slice to keep only the local part")
RLOO_ADVANTAGES = Lines(rloo_trainer.RLOOTrainer._generate_and_score_completions, "unscorable_mask =",
                        "is_std_zero =")


def tensor(values):
    return torch.tensor(np.asarray(values, np.float64))


def responses(call, name):
    return torch.split(tensor(call[name]), list(call["lengths"]))


def padded(call, name, filling):
    return torch.nn.utils.rnn.pad_sequence(responses(call, name), batch_first=True, padding_value=filling)


def padding(call):
    """True where a row is over."""
    return padded({**call, "ones": np.ones(sum(call["lengths"]))}, "ones", 0) == 0


def stub(**attributes):
    """Stands for a trainer: what its method looks up in self, and no more."""
    accelerator = types.SimpleNamespace(gather=lambda x: x, gather_for_metrics=lambda x: x,
                                        reduce=lambda x, **_: x, num_processes=1, process_index=0)
    return types.SimpleNamespace(
        accelerator=accelerator, model=types.SimpleNamespace(training=False), aux_loss_enabled=False,
        _metrics=collections.defaultdict(lambda: collections.defaultdict(list)), **attributes)


def ppo_kl(call):
    def estimate(estimator):
        return REWARDS.run(
            logprobs=tensor(call["logprob"])[None], ref_logprobs=tensor(call["ref_logprob"])[None],
            scores=torch.zeros(1), sequence_lengths=torch.tensor([0]), sequence_lengths_p1=torch.tensor([1]),
            args=types.SimpleNamespace(kl_estimator=estimator, kl_coef=0.0)).kl[0]
    return {"k1": estimate("k1"), "k3": estimate("k3")}


def ppo_rewards(call):
    """Row by row: in a batch TRL gives a shorter row its score one place after
    its last token, where ours, like OpenAI's code, gives it at the last token."""
    if call["estimator"] == "k2":
        return None
    scores = tensor(call["score"]).clone()
    args = types.SimpleNamespace(kl_estimator=call["estimator"], kl_coef=call["kl_coefficient"],
                                 missing_eos_penalty=-call["missing_eos_penalty"])
    MISSING_EOS.run(scores=scores, contain_eos_token=torch.tensor(call["ended"]),
                    self=types.SimpleNamespace(args=args))
    rows = [REWARDS.run(logprobs=logprob[None], ref_logprobs=ref_logprob[None], scores=score[None],
                        sequence_lengths=torch.tensor([len(logprob) - 1]),
                        sequence_lengths_p1=torch.tensor([len(logprob)]), args=args).rewards[0]
            for logprob, ref_logprob, score in zip(responses(call, "logprob"), responses(call, "ref_logprob"), scores)]
    return {"reward": torch.cat(rows)}


def ppo_advantages(call):
    """The whole padded batch at once."""
    over = padding(call)
    found = ADVANTAGES.run(rewards=padded(call, "reward", 0), values=padded(call, "value", 0), responses=over,
                           args=types.SimpleNamespace(gamma=call["discount"], lam=call["lambda"]))
    return {"advantage": found.advantages[~over], "return": found.returns[~over]}


@contextlib.contextmanager
def biased_variance():
    """TRL's masked_whiten divides by n - 1; OpenAI's and ours by n, which TRL's
    masked_var offers as an option."""
    original = ppo_trainer.masked_var
    ppo_trainer.masked_var = lambda values, mask: original(values, mask, unbiased=False)
    try:
        yield
    finally:
        ppo_trainer.masked_var = original


def ppo_whiten(call):
    over = padding(call)
    values = padded(call, "values", 99)
    with biased_variance():
        return {name: ppo_trainer.masked_whiten(values, ~over, shift_mean=shift)[~over]
                for name, shift in (("shifted", True), ("unshifted", False))}


def ppo_losses(call, **given):
    """The loss lines on a padded batch; what is not given is zero."""
    over = padding(call)
    zeros = torch.zeros(over.shape, dtype=torch.float64)
    names = dict(vpred=zeros, mb_values=zeros, mb_return=zeros, new_logprobs=zeros, mb_logprobs=zeros,
                 mb_advantage=zeros, padding_mask=over, padding_mask_p1=over, micro_batch_inds=slice(None),
                 args=types.SimpleNamespace(cliprange=call["clip_epsilon"], cliprange_value=call["clip_epsilon"],
                                            vf_coef=1.0))
    return LOSSES.run(**{**names, **given}), over


def ppo_policy_loss(call):
    if call["dual_clip"]:
        return None
    # As TRL, one impossible log-probability (1) in all padding.
    logprobs = padded(call, "logprob", 1).requires_grad_()
    found, over = ppo_losses(call, new_logprobs=logprobs, mb_logprobs=padded(call, "old_logprob", 1),
                             mb_advantage=padded(call, "advantage", 0))
    found.pg_loss.backward()
    shares = CLIP_SHARE.run(**{name: getattr(found, name) for name in (
        "pg_losses", "pg_losses2", "padding_mask", "micro_batch_inds")})
    return {"loss": found.pg_loss.detach(), "gradient": logprobs.grad[~over], "clip_share": shares.pg_clipfrac}


def ppo_value_loss(call):
    values = padded(call, "value", 0).requires_grad_()
    found, over = ppo_losses(call, vpred=values, mb_values=padded(call, "old_value", 0),
                             mb_return=padded(call, "return", 0))
    found.vf_loss.backward()
    return {"loss": found.vf_loss.detach(), "gradient": values.grad[~over], "clip_share": found.vf_clipfrac}


def grpo_policy_loss(call):
    """Its clip is PPO's, and its `delta` our dual clip."""
    over = padding(call)
    logprobs = padded(call, "logprob", 0).requires_grad_()
    trainer = stub(
        _get_per_token_logps_and_entropies=lambda *_, **__: (logprobs, torch.zeros(over.shape), None),
        top_entropy_quantile=1.0, off_policy_mask_threshold=None, importance_sampling_level="token", beta=0.0,
        loss_type="bnpo", epsilon_low=call["clip_epsilon"], epsilon_high=call["clip_epsilon"], use_vllm=False,
        args=types.SimpleNamespace(delta=call["dual_clip"] or None), _entropy_bonus_enabled=False,
        current_gradient_accumulation_steps=1)
    nothing = torch.zeros((over.shape[0], 0), dtype=torch.long)
    loss = grpo_trainer.GRPOTrainer._compute_loss(trainer, None, dict(
        prompt_ids=nothing, prompt_mask=nothing, completion_ids=(~over).long(), completion_mask=(~over).double(),
        advantages=padded(call, "advantage", 0), old_per_token_logps=padded(call, "old_logprob", 0)))
    loss.backward()
    return {"loss": loss.detach(), "gradient": logprobs.grad[~over]}


def group_advantages(call):
    """GRPO and RLOO, from the rewards of whole responses."""
    rewards = torch.stack([row.sum() for row in responses(call, "reward")])
    variables = dict(rewards_per_func=rewards[:, None], num_generations=call["group_size"], device="cpu")
    given = dict(reward_weights=torch.ones(1, dtype=torch.float64))
    if call["algorithm"] == "GRPO":
        found = GRPO_ADVANTAGES.run(**variables, self=stub(
            multi_objective_aggregation="sum_then_normalize", scale_rewards="group", **given))
    elif call["algorithm"] == "RLOO":
        found = RLOO_ADVANTAGES.run(**variables, self=stub(
            reward_clip_range=None, beta=0.0, normalize_advantages=False, **given))
    else:
        return None
    return {"advantage": found.advantages.repeat_interleave(torch.tensor(call["lengths"]))}


def reward_loss(call):
    chosen, rejected = (tensor(call[name]).requires_grad_() for name in ("chosen", "rejected"))
    trainer = stub(args=types.SimpleNamespace(center_rewards_coefficient=None), _total_train_tokens=0)
    trainer.model = lambda **_: types.SimpleNamespace(logits=torch.cat([chosen, rejected])[:, None])
    trainer.model.training = False
    loss = reward_trainer.RewardTrainer.compute_loss(trainer, trainer.model, {})
    loss.backward()
    return {"loss": loss.detach(), "chosen_gradient": chosen.grad, "rejected_gradient": rejected.grad,
            "accuracy": trainer._metrics["eval"]["accuracy"][0]}


def torch_adamw(call):
    if call["placement"] != "torch":
        return None
    w, trace = tensor(call["parameter"]).requires_grad_(), []
    optimizer = torch.optim.AdamW([w], lr=call["learning_rate"], betas=(call["beta1"], call["beta2"]),
                                  eps=call["epsilon"], weight_decay=call["weight_decay"])
    for gradient in call["gradients"]:
        w.grad = tensor(gradient)
        optimizer.step()
        trace.append(w.detach().clone())
    return {"trace": torch.cat(trace)}


def torch_clip(call):
    parameters = [torch.zeros(len(gradient), dtype=torch.float64) for gradient in call["gradients"]]
    for parameter, gradient in zip(parameters, call["gradients"]):
        parameter.grad = tensor(gradient)
    torch.nn.utils.clip_grad_norm_(parameters, call["max_norm"])
    return {"gradient": torch.cat([parameter.grad for parameter in parameters])}


# By function: what answers to it.
FUNCTIONS = {
    "kl": [("lines of TRL PPOTrainer.train", ppo_kl)],
    "token_rewards": [("lines of TRL PPOTrainer.train", ppo_rewards)],
    "gae": [("lines of TRL PPOTrainer.train", ppo_advantages)],
    "whiten": [("TRL masked_whiten, variance / n", ppo_whiten)],
    "ppo_loss": [("lines of TRL PPOTrainer.train", ppo_policy_loss),
                 ("TRL GRPOTrainer._compute_loss", grpo_policy_loss)],
    "value_loss": [("lines of TRL PPOTrainer.train", ppo_value_loss)],
    "credit": [("lines of TRL GRPO-, RLOOTrainer", group_advantages)],
    "pairwise_loss": [("TRL RewardTrainer.compute_loss", reward_loss)],
    "adamw": [("torch.optim.AdamW", torch_adamw)],
    "clip": [("torch clip_grad_norm_", torch_clip)],
}
