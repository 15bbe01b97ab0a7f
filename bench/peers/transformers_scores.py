#!/usr/bin/env python3
"""transformers' LlamaForSequenceClassification as the other side of
bench/scoring_bench.py, in two ways at once:

- a line {"ids": FILE, "batch": 16} scores the file's token lists in order, so many
  at a time, padded to the longest of each batch;
- POST / with {"ids": […]} on the port that it says scores one dialogue, one request
  at a time, as a reward model behind a plain HTTP server does.

It gets tokens where ours gets text: it neither renders nor tokenizes.
"""
import argparse
import http.server
import json
import threading
import time

import torch
from transformers import AutoConfig, AutoModelForSequenceClassification

from line_server import serve, versions

PAD = 0  # no dialogue may end with it: the score is at the last token that is none


def load(directory, dtype):
    config = AutoConfig.from_pretrained(directory, num_labels=1)
    config.pad_token_id = PAD
    return AutoModelForSequenceClassification.from_pretrained(directory, config=config,
                                                              dtype=getattr(torch, dtype)).eval()


@torch.inference_mode()
def score(model, rows):
    longest = max(map(len, rows))
    ids = torch.tensor([row + [PAD] * (longest - len(row)) for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
    # Without padding there is nothing to mask: PyTorch's fastest attention.
    masked = {} if mask.all() else {"attention_mask": mask}
    return model(input_ids=ids, use_cache=False, **masked).logits[:, 0].float().tolist()


class OneAtATime(http.server.HTTPServer):
    request_queue_size = 256  # all clients may wait; none is refused


def listen(model):
    """Serves from a thread of its own; returns the port."""
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            body = json.dumps({"score": score(model, [request["ids"]])[0]}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = OneAtATime(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_port


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--dtype", required=True, choices=["float32", "bfloat16"])
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    model = load(args.model, args.dtype)

    def answer(ids, batch):
        with open(ids) as file:
            rows = json.load(file)
        if any(row[-1] == PAD for row in rows):
            raise SystemExit(f"{ids}: a dialogue ends with token {PAD}, which pads here")
        scores, start = [], time.perf_counter()
        for begin in range(0, len(rows), batch):
            scores += score(model, rows[begin:begin + batch])
        return {"seconds": time.perf_counter() - start, "scores": scores}

    serve(answer, port=listen(model), versions=versions("torch", "transformers"))


if __name__ == "__main__":
    main()
