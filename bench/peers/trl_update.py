#!/usr/bin/env python3
"""Times iterations of TRL on the CPU: rollouts, reward, reference, training.
Prints one JSON object.

    trl_update.py --model DIR --pm DIR --prompts FILE [--algorithm GRPO] [--dtype bfloat16]

Every response has exactly `--new-tokens` tokens (no end-of-sequence is set). PPO
takes one optimizer step per minibatch, and its critic is a model of its own that
starts from the PM; GRPO and RLOO take one per batch, on groups of `--group`
responses to one prompt. With bfloat16, weights and AdamW's state are bfloat16.
The first iteration warms up and does not count.
"""
import argparse
import json
import tempfile

import torch
from datasets import Dataset
from transformers import (AutoModelForCausalLM,
                          AutoModelForSequenceClassification, AutoTokenizer)

from stopwatch import Stopwatch


def ppo(args, tokenizer, policy, pm, prompts, stopwatch):
    from trl.experimental.ppo import PPOConfig, PPOTrainer
    # TRL takes every padding token out of the prompt: no token of it may pad.
    data = Dataset.from_list([
        {"input_ids": list(tokenizer.apply_chat_template(
            [{"role": "user", "content": prompt}], add_generation_prompt=True, return_dict=True)["input_ids"])}
        for prompt in prompts])
    return PPOTrainer(
        args=PPOConfig(
            output_dir=tempfile.mkdtemp(), report_to="none", use_cpu=True, save_strategy="no",
            per_device_train_batch_size=args.batch, gradient_accumulation_steps=1,
            num_mini_batches=args.batch // args.minibatch, num_ppo_epochs=1,
            total_episodes=args.batch * (args.iterations + 1), response_length=args.new_tokens,
            local_rollout_forward_batch_size=args.batch, temperature=1.0, learning_rate=1e-6,
            num_sample_generations=0, gradient_checkpointing=False, disable_tqdm=True, seed=1),
        processing_class=tokenizer, model=policy(), ref_model=policy(), reward_model=pm(), value_model=pm(),
        train_dataset=data, eval_dataset=data.select(range(args.batch)), callbacks=[stopwatch])


def group(args, tokenizer, policy, pm, prompts, stopwatch):
    from trl import GRPOConfig, GRPOTrainer, RLOOConfig, RLOOTrainer
    trainer, config = {"GRPO": (GRPOTrainer, GRPOConfig), "RLOO": (RLOOTrainer, RLOOConfig)}[args.algorithm]
    return trainer(
        args=config(
            output_dir=tempfile.mkdtemp(), report_to="none", use_cpu=True, save_strategy="no", bf16=False,
            per_device_train_batch_size=args.batch, gradient_accumulation_steps=1, num_generations=args.group,
            num_iterations=1, max_steps=args.iterations + 1, max_completion_length=args.new_tokens,
            beta=0.001, temperature=1.0, learning_rate=1e-6, logging_steps=1000,
            gradient_checkpointing=False, disable_tqdm=True, seed=1),
        processing_class=tokenizer, model=policy(), reward_funcs=pm(), reward_processing_classes=tokenizer,
        train_dataset=Dataset.from_list([{"prompt": [{"role": "user", "content": p}]} for p in prompts]),
        callbacks=[stopwatch])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--pm", required=True)
    parser.add_argument("--prompts", required=True, help='JSONL, {"prompt": …} a line')
    parser.add_argument("--algorithm", default="PPO", choices=["PPO", "GRPO", "RLOO"])
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--minibatch", type=int, default=8)
    parser.add_argument("--group", type=int, default=4)
    parser.add_argument("--new-tokens", type=int, default=32)
    parser.add_argument("--iterations", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    dtype = getattr(torch, args.dtype)
    tokenizer = AutoTokenizer.from_pretrained(args.model, padding_side="left")
    tokenizer.pad_token = "<|endoftext|>"
    with open(args.prompts) as lines:
        prompts = [json.loads(line)["prompt"] for line in lines]

    def policy():
        return AutoModelForCausalLM.from_pretrained(args.model, dtype=dtype)

    def pm():
        model = AutoModelForSequenceClassification.from_pretrained(args.pm, dtype=dtype)
        model.config.pad_token_id = tokenizer.pad_token_id
        return model

    stopwatch = Stopwatch()
    make = ppo if args.algorithm == "PPO" else group
    make(args, tokenizer, policy, pm, prompts, stopwatch).train()
    print(json.dumps({"seconds": stopwatch.seconds[1:]}))


if __name__ == "__main__":
    main()
