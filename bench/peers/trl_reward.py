#!/usr/bin/env python3
"""Trains a preference model with TRL's RewardTrainer on the CPU, one epoch in the
order of the file, and scores held-out pairs. Prints one JSON object.

    trl_reward.py --model DIR --train FILE --held-out FILE [--dtype bfloat16]

Files are JSONL, {"chosen_ids": […], "rejected_ids": […]} a line: whole dialogues
as token ids, so that both sides learn from the same tokens. Everything else is as
in trainer/preference/pm_trainer.h: a score head of zeros, AdamW without decay, a
rate that falls linearly to zero, gradients clipped to norm 1, no dropout. With
bfloat16, passes are bfloat16 and weights float32, TRL's own default. The first
step warms up and does not count.
"""
import argparse
import json
import math
import sys
import tempfile

import torch
from datasets import Dataset
from transformers import (AutoConfig, AutoModelForSequenceClassification,
                          AutoTokenizer)
from trl import RewardConfig, RewardTrainer

from stopwatch import Stopwatch

CALIBRATION_BINS = 10  # as `rlhf pm eval` has
PAD = "<|endoftext|>"


def load_pairs(path, pad):
    """The pairs of a file. transformers takes the score at the last token that is
    not padding, so no dialogue may end with that token."""
    with open(path) as lines:
        pairs = [json.loads(line) for line in lines]
    pairs = [{key: pair[key] for key in ("chosen_ids", "rejected_ids")} for pair in pairs]
    for number, pair in enumerate(pairs, 1):
        if any(ids[-1] == pad for ids in pair.values()):
            sys.exit(f"{path}:{number}: a dialogue ends with token {pad}, which pads here; wanted another token")
    return pairs


def load_model(directory, pad):
    """A one-label classifier of the language model in `directory`, its head zero."""
    config = AutoConfig.from_pretrained(directory, num_labels=1)
    # Set before the embedding is made, as it never trains the row of the padding
    # token: SmolLM2's own is the one that ends every turn.
    config.pad_token_id = pad
    model = AutoModelForSequenceClassification.from_pretrained(directory, config=config, dtype=torch.float32)
    torch.nn.init.zeros_(model.score.weight)
    return model


def make_optimizer(model, args):
    """AdamW as transformers makes it (fused), with a rate of its own for the head."""
    head = [model.score.weight]
    trunk = [p for name, p in model.named_parameters() if name != "score.weight"]
    return torch.optim.AdamW(
        [{"params": trunk, "lr": args.learning_rate}, {"params": head, "lr": args.head_learning_rate}],
        betas=(0.9, 0.95), eps=1e-5, weight_decay=0.0, fused=True)


def make_trainer(args, tokenizer, stopwatch):
    model = load_model(args.model, tokenizer.pad_token_id)
    return RewardTrainer(
        args=RewardConfig(
            output_dir=tempfile.mkdtemp(), report_to="none", use_cpu=True, save_strategy="no",
            bf16=args.dtype == "bfloat16", gradient_checkpointing=args.gradient_checkpointing,
            per_device_train_batch_size=args.pairs_per_pass,
            gradient_accumulation_steps=args.batch // args.pairs_per_pass, num_train_epochs=1,
            train_sampling_strategy="sequential", max_length=None, disable_dropout=True,
            learning_rate=args.learning_rate, lr_scheduler_type="linear", warmup_steps=0, weight_decay=0.0,
            max_grad_norm=1.0, logging_steps=1, disable_tqdm=True, seed=1),
        model=model, processing_class=tokenizer, optimizers=(make_optimizer(model, args), None),
        train_dataset=Dataset.from_list(load_pairs(args.train, tokenizer.pad_token_id)), callbacks=[stopwatch])


def score_margins(trainer, pairs, batch):
    """Score of chosen less that of rejected, one per pair, in order."""
    model, margins = trainer.model.eval(), []
    with torch.no_grad(), trainer.accelerator.autocast():
        for begin in range(0, len(pairs), batch):
            inputs = trainer.data_collator(pairs[begin:begin + batch])
            chosen, rejected = model(**inputs, use_cache=False).logits.float().squeeze(-1).chunk(2)
            margins += (chosen - rejected).tolist()
    return margins


def calibration_error(margins):
    """Expected calibration error, bins of equal width over the confidences from
    0.5 to 1, as in trainer/preference/calibration.h."""
    surplus = [0.0] * CALIBRATION_BINS  # confidences less correct ones
    for margin in margins:
        confidence = 1 / (1 + math.exp(-abs(margin)))
        index = min(int((confidence - 0.5) * 2 * CALIBRATION_BINS), CALIBRATION_BINS - 1)
        surplus[index] += confidence - (margin > 0)
    return sum(map(abs, surplus)) / len(margins)


def measure_held_out(trainer, pairs, batch):
    margins = score_margins(trainer, pairs, batch)
    return {"num": len(margins), "accuracy": sum(margin > 0 for margin in margins) / len(margins),
            "ece": calibration_error(margins), "margins": margins}


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--train", required=True, help="JSONL of token ids, in the order of training")
    parser.add_argument("--held-out", required=True, help="JSONL of token ids")
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--learning-rate", type=float, default=1e-5)
    parser.add_argument("--head-learning-rate", type=float, help="default: as the rest")
    parser.add_argument("--batch", type=int, default=16, help="pairs in an optimizer step")
    parser.add_argument("--pairs-per-pass", type=int, help="a divisor of --batch; default: all of it")
    parser.add_argument("--gradient-checkpointing", action="store_true", help="less memory, more time")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    args.pairs_per_pass = args.pairs_per_pass or args.batch
    if args.head_learning_rate is None:
        args.head_learning_rate = args.learning_rate
    if args.batch % args.pairs_per_pass != 0:
        parser.error(f"--batch {args.batch} is no multiple of --pairs-per-pass {args.pairs_per_pass}")
    return args


def main():
    args = parse_arguments()
    torch.set_num_threads(args.threads)
    tokenizer = AutoTokenizer.from_pretrained(args.model)
    tokenizer.pad_token = PAD
    held_out = load_pairs(args.held_out, tokenizer.pad_token_id)
    stopwatch = Stopwatch()
    trainer = make_trainer(args, tokenizer, stopwatch)
    timed_pairs = len(trainer.train_dataset) - args.batch
    if timed_pairs <= 0 or not held_out:
        sys.exit(f"{len(trainer.train_dataset)} pairs to train on and {len(held_out)} held out; "
                 f"wanted more than one batch of {args.batch}, and at least one")
    trainer.train()
    seconds = stopwatch.seconds[1:]
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    print(json.dumps({
        "seconds": seconds, "pairs_per_second": timed_pairs / sum(seconds),
        "held_out": measure_held_out(trainer, held_out, args.pairs_per_pass),
        "loss_first": losses[0], "loss_last": losses[-1]}))


if __name__ == "__main__":
    main()
