#!/usr/bin/env python3
"""The machine's arithmetic, by PyTorch: operations per second of a matrix product of
2048 x 2048 x 2048, which is the limit that decoding of large batches is measured by.
"""
import argparse
import time

import torch

from line_server import serve, versions

SIZE = 2048
SECONDS = 1.0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)

    @torch.inference_mode()
    def answer(dtype):
        a, b = (torch.randn(SIZE, SIZE).to(getattr(torch, dtype)) for _ in range(2))
        torch.nn.functional.linear(a, b)
        count, start = 0, time.perf_counter()
        while time.perf_counter() - start < SECONDS:
            torch.nn.functional.linear(a, b)
            count += 1
        return {"operations_per_s": 2 * SIZE**3 * count / (time.perf_counter() - start)}

    serve(answer, versions=versions("torch"))


if __name__ == "__main__":
    main()
