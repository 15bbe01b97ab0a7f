#!/usr/bin/env python3
"""The loop on four hosts of a network whose links are cut, lossy and slow.

The hosts are network namespaces (network.py). Exits 77 (CTest: skipped) where
they cannot be made.
"""

import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

import network
from tiny_loop import SOURCE, write_tiny_loop

sys.path[:0] = [str(SOURCE / "tests/access")]

from feedback_service import BINARY, wait_until  # noqa: E402

# What runs where, as its process is called.
HOSTS = {"learner": ["learner"], "actor-1": ["actor-1"], "actor-2": ["actor-2"],
         "scorer": ["reward-server", "refresher", "feedback", "crowd"]}
LEASE_SECONDS = 3
# Within these an error is named after a link is lost, and all goes on after it
# is back.
NAMED_SECONDS, BACK_SECONDS = 15, 30
# gRPC looks a name up again after 30 s at the earliest.
MOVED_SECONDS = 45
SETTINGS = {
    "learner.address": "learner:7101",
    "learner.weights_port": "7106",
    "learner.lease_seconds": LEASE_SECONDS,
    "actor.address": "actor-1:7102",
    "actor.weights_port": "7107",
    "reward_server.address": "scorer:7103",
    "preference.address": "scorer:7104",
    "feedback.address": "scorer:7105",
    "ppo.num_updates": "1000000",  # it is stopped
    "ppo.learning_rate": "0.0001",
    "evaluation.num_prompts": "0",
}


def set_flags(settings):
    words = [f"{field}={value}" for field, value in settings.items()]
    return [word for one in words for word in ("--set", one)]


class Loop:
    """The processes of a run on the hosts."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        write_tiny_loop(self.folder)
        self.config = self.folder / "run.txtpb"
        self.directory = self.folder / "runs/tiny"
        self.settings = SETTINGS | self.certificates()
        self.network = network.Network(self.folder, HOSTS)
        self.processes = {}

    def certificates(self):
        """Makes them; returns the settings."""
        files = self.folder / "certificates"
        subprocess.run([SOURCE / "deploy/make-certificates.sh", "tiny", files],
                       check=True, capture_output=True)
        return {"tls.ca": f"{files}/ca.pem", "tls.certificate": f"{files}/{{role}}.pem",
                "tls.key": f"{files}/{{role}}.pem"}

    def start_all(self):
        for names in HOSTS.values():
            for name in names:
                self.start(name)

    def start(self, name):
        host = next(host for host, names in HOSTS.items() if name in names)
        role = name.rstrip("-12")
        settings = dict(self.settings)
        if role == "actor":
            settings["actor.address"] = f"{host}:7102"
        words = set_flags(settings)
        self.processes[name] = self.network.start(
            host, self.folder / f"{name}.log", "env", "OMP_NUM_THREADS=1",
            "GOMP_SPINCOUNT=0", BINARY, role, *words,
            *(["--config"] if role != "crowd" else []), str(self.config))

    def start_missing(self):
        """So that one test's failure is not the next one's."""
        for name in sum(HOSTS.values(), []):
            if name not in self.processes:
                self.start(name)

    def stop(self, *names):
        """Returns their exit codes."""
        going = [self.processes.pop(name) for name in names]
        for process in going:
            process.terminate()
        return [process.stop() for process in going]

    def updates(self):
        """The reports of those that were made, the oldest first."""
        path = self.directory / "metrics.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return [json.loads(line) for line in lines]

    def metric(self, actor, series):
        """Of its /metrics; 0 if it does not answer."""
        try:
            page = self.network.ask(actor, "curl", "--silent", "--max-time", "5",
                                    "http://127.0.0.1:7202/metrics")
        except subprocess.CalledProcessError:
            return 0
        found = re.search(rf"^{re.escape(series)} (\S+)$", page, re.MULTILINE)
        return float(found[1]) if found else 0

    def rollouts(self, actor):
        return self.metric(actor, 'rlhf_rollouts_total{state="done"}')

    def wait(self, condition, what, seconds):
        """Returns how long it took."""
        def holds():
            for name, process in self.processes.items():
                if process.has_ended() and name != "crowd":
                    raise RuntimeError(f"{name} has ended")
            return condition()

        began = time.monotonic()
        try:
            wait_until(holds, what, seconds)
        except (TimeoutError, RuntimeError) as error:
            raise AssertionError(f"{error}\n{self.logs()}") from None
        return time.monotonic() - began

    def wait_for_updates(self, more, seconds):
        wanted = len(self.updates()) + more
        return self.wait(lambda: len(self.updates()) >= wanted,
                         f"{more} further updates", seconds)

    def wait_for_rollouts(self, actor, seconds):
        before = self.rollouts(actor)
        return self.wait(lambda: self.rollouts(actor) > before,
                         f"{actor} has further rollouts taken", seconds)

    def logs(self):
        """The ends of what everybody wrote."""
        return "\n".join(
            "\n".join([f"--- {path}", *path.read_text(errors="replace").splitlines()[-20:]])
            for path in sorted(self.folder.glob("*.log")))

    def replay(self):
        """Makes all updates again; raises if one is not what it was."""
        done = subprocess.run([BINARY, "replay", *set_flags(self.settings),
                               str(self.config)], text=True, capture_output=True,
                              timeout=60)
        if done.returncode != 0:
            raise AssertionError(done.stdout + done.stderr)
        return done.stdout

    def close(self):
        self.network.close()


class HostsTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        folder = tempfile.mkdtemp(prefix="rlhf-hosts-")
        cls.addClassCleanup(shutil.rmtree, folder, ignore_errors=True)
        cls.loop = Loop(folder)
        cls.addClassCleanup(cls.loop.close)
        cls.loop.start_all()
        # The first preference model comes of comparisons of both actors' words.
        took = cls.loop.wait(lambda: len(cls.loop.updates()) >= 3,
                             "three updates", 60)
        print(f"three updates after {took:.1f} s")

    def setUp(self):
        self.net = self.loop.network
        # As every test leaves it.
        for actor in ("actor-1", "actor-2"):
            self.loop.wait_for_rollouts(actor, BACK_SECONDS)

    def test_roles_listen_where_they_are_told_and_weights_cross_the_network(self):
        for host, address in self.net.addresses.items():
            listening = self.net.ask(host, "ss", "-Hltn").splitlines()
            places = {line.split()[3].rsplit(":", 1)[0] for line in listening}
            # gRPC's sockets are IPv6 ones that take IPv4.
            places = {place.replace("[::ffff:", "").rstrip("]") for place in places}
            self.assertEqual(places, {"127.0.0.1", address}, host)
        ports = self.net.ask("learner", "ss", "-Hltn")
        self.assertIn(f"{self.net.addresses['learner']}:7106 ", ports)
        for actor in ("actor-1", "actor-2"):
            received = sum(self.loop.metric(
                actor, f'rlhf_weights_received_bytes_total{{source="{source}"}}')
                for source in ("learner", "actor"))
            self.assertGreater(received, 0, actor)
            self.assertIn(f"{self.net.addresses[actor]}:7107 ",
                          self.net.ask(actor, "ss", "-Hltn"))

    def test_ranks_on_two_hosts_meet_by_the_name_of_the_first(self):
        folder = self.loop.folder
        (folder / "pairs.jsonl").write_text("".join(json.dumps(
            {"prompt": f"{n} + 2?", "chosen": str(n + 2), "rejected": str(n)}) + "\n"
            for n in range(32)))
        # The later one looks for the first until it is there.
        ranks = [self.net.start(
            host, folder / f"rank-{rank}.log", "env", f"RANK={rank}", "WORLD_SIZE=2",
            "MASTER_ADDR=learner", "MASTER_PORT=29500", BINARY, "pm", "train",
            str(folder / "pairs.jsonl"), "--model", str(folder / "model"),
            "--out", str(folder / "pm"), "--threads", "1")
            for rank, host in ((1, "actor-1"), (0, "learner"))]
        self.loop.wait(lambda: all(rank.has_ended() for rank in ranks),
                       "both ranks end", BACK_SECONDS)
        self.assertEqual([rank.stop() for rank in ranks], [0, 0], self.loop.logs())
        self.assertTrue((folder / "pm/model.safetensors").exists())

    def test_an_actor_leaves_and_comes(self):
        self.addCleanup(self.loop.start_missing)
        self.assertEqual(self.loop.stop("actor-2"), [0])
        self.loop.wait_for_updates(3, BACK_SECONDS)
        self.loop.start("actor-2")
        self.loop.wait_for_rollouts("actor-2", BACK_SECONDS)

    def test_a_host_that_comes_back_at_another_address_is_found_by_its_name(self):
        roles = [name for name in HOSTS["scorer"] if name in self.loop.processes]
        self.loop.stop(*roles)
        self.net.move("scorer", f"{network.NET}.44")
        for role in roles:
            self.loop.start(role)
        back = self.loop.wait_for_updates(2, MOVED_SECONDS)
        print(f"two updates {back:.1f} s after the reward server has another address")

    def test_an_actor_whose_link_is_cut_says_so_and_comes_back(self):
        self.addCleanup(self.net.mend, "actor-2")
        before = len(self.loop.processes["actor-2"].said())
        self.net.cut("actor-2")
        named = self.loop.wait(
            lambda: "asking the learner at learner:7101 for prompts: " in
            self.loop.processes["actor-2"].said()[before:],
            "the actor names the learner that it has lost", NAMED_SECONDS)
        # Its leases go to the other one.
        went_on = self.loop.wait_for_updates(3, LEASE_SECONDS + BACK_SECONDS)
        self.net.mend("actor-2")
        back = self.loop.wait_for_rollouts("actor-2", BACK_SECONDS)
        print(f"actor cut: named after {named:.1f} s, three updates without it in "
              f"{went_on:.1f} s, back after {back:.1f} s")

    def test_a_reward_server_that_is_lost_is_named_and_all_goes_on_after_it(self):
        self.addCleanup(self.net.mend, "scorer")
        before = len(self.loop.processes["learner"].said())
        self.net.cut("scorer")
        named = self.loop.wait(
            lambda: "the reward server does not answer: " in
            self.loop.processes["learner"].said()[before:],
            "the learner names the reward server that it has lost", NAMED_SECONDS)
        self.net.mend("scorer")
        back = self.loop.wait_for_updates(2, BACK_SECONDS)
        print(f"reward server cut: named after {named:.1f} s, two updates "
              f"{back:.1f} s after it was back")

    def test_a_fifth_of_the_packets_lost_makes_it_slower_and_nothing_wrong(self):
        self.addCleanup(self.net.mend, "learner")
        well = self.loop.wait_for_updates(5, BACK_SECONDS)
        self.net.lose("learner", 0.2)
        lossy = self.loop.wait_for_updates(5, 60)
        print(f"five updates in {well:.1f} s, and with 20 % of the packets lost in "
              f"{lossy:.1f} s")
        # Other lines tell of refused connections.
        self.assertNotRegex(self.loop.processes["learner"].said(),
                            r"rollout \S+ refused: ")

    def test_an_actor_at_256_kbit_holds_the_others_never_up(self):
        self.addCleanup(self.loop.start_missing)
        self.assertEqual(self.loop.stop("actor-2"), [0])
        alone = self.loop.wait_for_updates(10, BACK_SECONDS)
        self.net.limit("actor-2", "256kbit")
        self.addCleanup(self.net.mend, "actor-2")
        self.loop.start("actor-2")
        # It takes part: its policy has come.
        self.loop.wait(lambda: self.loop.metric("actor-2", "rlhf_policy_version") > 0,
                       "the slow actor has a policy", BACK_SECONDS)
        slow = self.loop.wait_for_updates(10, BACK_SECONDS)
        print(f"ten updates in {alone:.1f} s, and beside an actor at 256 kbit/s in "
              f"{slow:.1f} s")
        # Far less than the version takes to the slow one, for each.
        self.assertLess(slow, 2 * alone + LEASE_SECONDS)

    @classmethod
    def tearDownClass(cls):
        """All came of what the journals hold, to the bit."""
        cls.loop.stop(*cls.loop.processes)
        print(cls.loop.replay().splitlines()[-1])


if __name__ == "__main__":
    reason = network.missing()
    if reason:
        print(f"SKIPPED: {reason}")
        sys.exit(77)
    unittest.main(verbosity=2)
