#!/usr/bin/env python3
"""How many workers the page takes at once: `rlhf feedback` with logins, over HTTP.

    make && python3 bench/worker_load.py

Joins WORKERS people by invitation, each with a session and a connection of their
own as a browser has; then everybody takes a task and answers it, again and again. A
small random policy, which the learner keeps as it is, answers the prompts, and
OVERLAP people each task, so that tasks do not run out. Everybody reads --pause
seconds before answering: with 0, as fast as a session may ask. After a WARM_UP,
measures parts of PART seconds until --seconds of them were quiet, or until
--patience is over: a part in which other processes, or other machines of this host,
used more than DISTURBED cores is told apart. Then verifies that the log has every
acknowledged answer once. Prints a table and writes bench/results/worker_load.json.
Needs Python alone.
"""
import argparse
import asyncio
import json
import os
import pathlib
import signal
import socket
import subprocess
import tempfile
import time

import quiet
from machine import arguments, save_results
from memory import MemoryWatch
from small_run import ROOT, free_ports, write_llama, write_prompts

START_SECONDS = 60
WARM_UP = 3  # seconds
PART = 2  # seconds
# Cores. Two are all there are, and answers wait while somebody else has one.
DISTURBED = 0.1
OVERLAP = 50
PASSWORD = "a long enough password"


class Client:
    """One kept connection, with what logs it in."""

    def __init__(self, port, headers=""):
        self.port, self.headers = port, headers

    async def open(self):
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        return self

    async def post(self, path, body):
        """Status, headers and JSON of the answer."""
        text = json.dumps(body).encode()
        self.writer.write(
            f"POST {path} HTTP/1.1\r\nHost: localhost:{self.port}\r\nOrigin: http://localhost:{self.port}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(text)}\r\n{self.headers}\r\n".encode() + text)
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        lines = head.split("\r\n")
        found = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
        data = await self.reader.readexactly(int(found.get("content-length", 0)))
        return int(lines[0].split()[1]), found, json.loads(data) if data else None


async def invite(port, admin_token, names):
    """The token of an invitation for each name."""
    admin = await Client(port, f"Authorization: Bearer {admin_token}\r\n").open()
    tokens = []
    for name in names:
        _, _, invitation = await admin.post("/api/invitations", {"role": "worker", "name": name})
        tokens.append(invitation["path"].split("token=")[1].split("&")[0])
    return tokens


async def join(port, name, token):
    """A worker's client, logged in by invitation."""
    client = await Client(port).open()
    while True:
        status, headers, session = await client.post(
            "/api/join", {"token": token, "name": name, "password": PASSWORD})
        if status == 200:
            break
        if status not in (429, 503):
            raise RuntimeError(f"{name} could not join: {status} {session}")
        await asyncio.sleep(1)
    cookie = headers["set-cookie"].split(";")[0]
    client.headers = f"Cookie: {cookie}\r\nX-CSRF-Token: {session['csrf_token']}\r\n"
    return client


async def work(client, name, pause, answered, misses):
    """Answers until cancelled; notes (end, seconds) of each acknowledged answer."""
    number = 0
    while True:
        status, _, task = await client.post("/api/task", {})
        if status in (204, 429, 503):
            misses[status] = misses.get(status, 0) + 1
            await asyncio.sleep(0.1)
            continue
        if status != 200:
            raise RuntimeError(f"a task for {name}: {status} {task}")
        await asyncio.sleep(pause)
        number += 1
        answer = {"task_id": task["task_id"], "comparison_id": f"{name}-{number}", "worker_id": "me",
                  "choice": "left_better" if number % 2 else "right_better", "strength": 1 + number % 3,
                  "seconds": pause + 1, "source": "crowd"}
        began = time.monotonic()
        status, _, saved = await client.post("/api/comparison", answer)
        while status == 429:  # a session may ask 20 times a second
            misses[status] = misses.get(status, 0) + 1
            await asyncio.sleep(0.1)
            began = time.monotonic()
            status, _, saved = await client.post("/api/comparison", answer)
        if status != 200:
            raise RuntimeError(f"an answer of {name}: {status} {saved}")
        answered.append((time.monotonic(), time.monotonic() - began))


def at_share(ordered, share):
    return ordered[int(share * (len(ordered) - 1))]


def summary(answered, spans):
    """Rate and latencies in milliseconds of what was acknowledged in these spans."""
    some = sorted(1000 * seconds for at, seconds in answered if any(begin <= at < end for begin, end in spans))
    if not some:
        return None
    seconds = sum(end - begin for begin, end in spans)
    return {"seconds": seconds, "submissions_per_second": len(some) / seconds, "p50_ms": at_share(some, 0.5),
            "p99_ms": at_share(some, 0.99), "longest_ms": some[-1]}


def tell(kind, found):
    if found:
        print(f"{kind:9} {found['seconds']:4.0f} s: {found['submissions_per_second']:.0f} submissions/s, "
              f"ms p50 {found['p50_ms']:.1f}, p99 {found['p99_ms']:.1f}, longest {found['longest_ms']:.1f}", flush=True)


def resident_megabytes(pid):
    pages = int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


async def load(args, port, pid, admin_token):
    names = [f"worker{i}" for i in range(args.workers)]
    began = time.monotonic()
    tokens = await invite(port, admin_token, names)
    clients = await asyncio.gather(*(join(port, name, token) for name, token in zip(names, tokens)))
    print(f"{len(clients)} people joined in {time.monotonic() - began:.1f} s", flush=True)
    answered, misses, spans = [], {}, {"quiet": [], "disturbed": []}
    tasks = [asyncio.ensure_future(work(client, name, args.pause, answered, misses))
             for client, name in zip(clients, names)]
    while not answered and time.monotonic() < began + START_SECONDS:
        await asyncio.sleep(0.1)
    await asyncio.wait(tasks, timeout=WARM_UP, return_when=asyncio.FIRST_EXCEPTION)
    began = time.monotonic()
    resident = [resident_megabytes(pid)]
    while len(spans["quiet"]) * PART < args.seconds and time.monotonic() < began + args.patience:
        before = quiet.look()
        begin = time.monotonic()
        await asyncio.wait(tasks, timeout=PART, return_when=asyncio.FIRST_EXCEPTION)
        for task in tasks:
            if task.done():
                task.result()
        end = time.monotonic()
        cores = quiet.others_cores(before, quiet.look(), os.getpid())
        spans["disturbed" if cores > DISTURBED else "quiet"].append((begin, end))
    resident.append(resident_megabytes(pid))
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    found = {kind: summary(answered, some) for kind, some in spans.items()}
    for kind, some in found.items():
        tell(kind, some)
    print(f"resident {resident[0]:.0f} MB at the beginning, {resident[1]:.0f} MB at the end")
    return found | {"resident_mb": resident, "acknowledged": len(answered), "tries_again": misses}


def start(folder, command, *arguments_):
    environment = os.environ | {"OMP_NUM_THREADS": "1", "GOMP_SPINCOUNT": "0"}
    with open(folder / f"{arguments_[0]}.log", "wb") as log:
        return subprocess.Popen([command, *arguments_], env=environment, stdout=log, stderr=log)


def count_saved(rlhf, folder, config):
    """How many answers the log has, each counted once."""
    exported = folder / "exported.jsonl"
    for verb in (["verify"], ["export", exported]):
        done = subprocess.run([rlhf, "feedback", *verb, "--config", config], check=True, capture_output=True, text=True)
        print(done.stdout.splitlines()[0])
    with open(exported) as lines:
        ids = [json.loads(line)["comparison_id"] for line in lines]
    if len(ids) != len(set(ids)):
        raise RuntimeError("an answer is in the log twice")
    return len(ids)


def answers(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rlhf", type=pathlib.Path, default=ROOT / "build/release/bin/rlhf")
    parser.add_argument("--workers", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--patience", type=float, default=300)
    parser.add_argument("--pause", type=float, default=0.3)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        write_llama(folder / "policy", 1, layers=2, width=32)
        write_prompts(folder / "prompts.jsonl", 4096)
        ports = free_ports(7)
        config = folder / "run.txtpb"
        config.write_text(f"""
name: "load" runs_dir: "{folder}/runs" initial_policy: "{folder}/policy"
prompts: "{folder}/prompts.jsonl" held_out_prompt_share: 0 threads: 1
sampling {{ max_new_tokens: 32 max_prompt_tokens: 128 }}
learner {{ address: "127.0.0.1:{ports[0]}" metrics_port: {ports[5]} rank_metrics_port: {ports[6]} }}
actor {{ address: "127.0.0.1:{ports[1]}" metrics_port: {ports[2]} max_batch: 64 }}
feedback {{ address: "127.0.0.1:{ports[3]}" http_address: "127.0.0.1:{ports[4]}"
           ready_tasks: {args.workers} overlap: {OVERLAP} access {{ require_login: true }} }}
""")
        processes = [start(folder, args.rlhf, role, "--config", config) for role in ("learner", "actor", "feedback")]
        feedback = processes[-1]
        token = folder / "runs/load/feedback/operator.token"
        try:
            deadline = time.monotonic() + START_SECONDS
            while not (token.exists() and answers(ports[4])):
                if time.monotonic() > deadline or feedback.poll() is not None:
                    raise RuntimeError((folder / "feedback.log").read_text())
                time.sleep(0.1)
            watch = MemoryWatch([feedback.pid])
            found = asyncio.run(load(args, ports[4], feedback.pid, token.read_text().strip()))
            watch.stop()
        finally:
            for process in processes:
                process.send_signal(signal.SIGTERM)
            for process in processes:
                process.wait(60)
        saved = count_saved(args.rlhf, folder, config)
        print(f"{found['acknowledged']} answers acknowledged, {saved} in the log; peak {watch.peak_rss_bytes / 1e6:.0f} MB; "
              f"asked again: {found['tries_again'] or 'never'}")
        if saved < found["acknowledged"]:
            raise RuntimeError("acknowledged answers are lost")
    save_results("worker_load", arguments=arguments(args), **found, in_log=saved, peak_rss_mb=watch.peak_rss_bytes / 1e6)


if __name__ == "__main__":
    main()
