"""`rlhf generate` and `rlhf score` beside transformers."""
import tempfile

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaForSequenceClassification

from json_lines import MODEL, JsonLines, Row, note, prompts


def first_difference(a, b):
    """The first place where the lists differ, or None."""
    if a == b:
        return None
    return next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))


def check_generation(rlhf, num_prompts, num_tokens):
    tokenizer = AutoTokenizer.from_pretrained(MODEL)
    model = AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32).eval()
    ours = JsonLines(rlhf, ["generate", "--model", str(MODEL), "--temperature", "0", "--max-new-tokens",
                       str(num_tokens)], [{"prompt": p} for p in prompts(num_prompts)]).results()
    note(f"rlhf generate: {num_prompts} prompts")
    other_tokens, worst = 0, 0.0
    for i, (prompt, mine) in enumerate(zip(prompts(num_prompts), ours), 1):
        ids = tokenizer.apply_chat_template([{"role": "user", "content": prompt}], add_generation_prompt=True,
                                            return_dict=True, return_tensors="pt")
        length = ids["input_ids"].shape[1]
        with torch.inference_mode():
            theirs = model.generate(**ids, do_sample=False, max_new_tokens=num_tokens)[0, length:].tolist()
            response = torch.tensor([mine["ids"]])
            logits = model(torch.cat([ids["input_ids"], response], 1)).logits[0, length - 1:-1]
        chosen = logits.log_softmax(-1).gather(1, response.T)[:, 0]
        worst = max(worst, (chosen - torch.tensor(mine["logprobs"])).abs().max().item())
        at = first_difference(mine["ids"], theirs)
        if at is not None:
            other_tokens += 1
            pair = [tokenizer.decode(tokens[at:at + 1]) for tokens in (mine["ids"], theirs)]
            gap = "" if at == len(mine["ids"]) else \
                f", whose logit is {(logits[at].max() - logits[at, mine['ids'][at]]).item():.2g} below the best"
            note(f"{prompt!r}: token {at} is {pair[1]!r} in transformers and {pair[0]!r} in rlhf{gap}")
        if i % 10 == 0:
            note(f"transformers: {i} of {num_prompts} prompts, {other_tokens} different")
    size = f"{num_prompts} prompts x {num_tokens} tokens"
    return [Row("greedy: prompts with other tokens", size, other_tokens, 0),
            Row("log-probability: largest difference", size, worst, 1e-4)]


def score_of_padded(model, rows, side):
    """The scores of token rows that stand in one batch, padded on a side."""
    pad, width = model.config.pad_token_id, max(map(len, rows))
    padding = [[pad] * (width - len(row)) for row in rows]
    ids = torch.tensor([p + row if side == "left" else row + p for row, p in zip(rows, padding)])
    with torch.inference_mode():
        return model(ids, attention_mask=(ids != pad).long()).logits[:, 0].tolist()


def check_scores(rlhf, num_prompts):
    tokenizer = AutoTokenizer.from_pretrained(MODEL)
    lines = [{"prompt": p, "response": f"You can try this: {p[:i % 40]}"}
             for i, p in enumerate(prompts(num_prompts))]
    with tempfile.TemporaryDirectory() as folder:
        torch.manual_seed(1)
        model = LlamaForSequenceClassification.from_pretrained(MODEL, num_labels=1, dtype=torch.float32).eval()
        torch.nn.init.normal_(model.score.weight, std=0.05)
        model.config.pad_token_id = 0  # not the token that ends a dialogue
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        ours = [line["score"] for line in JsonLines(rlhf, ["score", "--model", folder], lines).results()]
    rows = []
    for line in lines:
        text = tokenizer.apply_chat_template(
            [{"role": "user", "content": line["prompt"]}, {"role": "assistant", "content": line["response"]}],
            tokenize=False).removesuffix("\n")
        rows.append(tokenizer(text, add_special_tokens=False)["input_ids"])
    ways = {"alone": [score_of_padded(model, [row], "left")[0] for row in rows]}
    for side in ("left", "right"):
        ways[f"padded {side}"] = [score for i in range(0, len(rows), 10)
                                  for score in score_of_padded(model, rows[i:i + 10], side)]
    note(f"scores from {min(ours):.3f} to {max(ours):.3f}")
    return [Row(f"score, {way}: largest difference", f"{num_prompts} dialogues",
                max(abs(a - b) for a, b in zip(ours, theirs)), 1e-4) for way, theirs in ways.items()]
