#!/usr/bin/env python3
"""A loop whose processes meet at an address of the network, with certificates of
deploy/make-certificates.sh: it runs, renews them, and hears nobody else."""

import os
import pathlib
import socket
import subprocess
import tempfile
import unittest

from live_run import SOURCE, LiveRun, wait_until

MAKE = SOURCE / "deploy/make-certificates.sh"
# Far more than anything takes on two cores.
WAIT_SECONDS = 60
# kStoppedEarly of core/launch/exit_codes.h: `rlhf up` was not finished.
STOPPED_EARLY = 5
CALLERS_MISTAKE = 2


def own_address():
    """An address of this machine that is not the loopback's, if it has one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing
        except OSError:
            return "127.0.0.1"
        return probe.getsockname()[0]


def files_of(role, folder):
    """The settings of a verb that shows the certificate of `role`."""
    return [word for field in ("certificate", "key")
            for word in ("--set", f"tls.{field}={folder}/{role}.pem")]


class ScriptTest(unittest.TestCase):

    def setUp(self):
        self.folder = pathlib.Path(
            self.enterContext(tempfile.TemporaryDirectory()))

    def make(self, *words):
        return subprocess.run([MAKE, *words], capture_output=True, text=True,
                              cwd=self.folder, check=False)

    def test_says_what_it_wants(self):
        for words, message in ((["live"], "usage"),
                               (["a/b", "c"], "wanted the run's name"),
                               (["live", "c", "soon"], "wanted a number of days")):
            done = self.make(*words)
            self.assertEqual(done.returncode, CALLERS_MISTAKE)
            self.assertIn(message, done.stderr)

    def test_only_its_owner_may_read_what_it_makes(self):
        self.assertEqual(self.make("live", "c").returncode, 0)
        names = {path.name for path in (self.folder / "c").iterdir()}
        self.assertEqual(names, {"ca.key", "ca.pem", "learner.pem", "actor.pem",
                                 "reward-server.pem", "refresher.pem",
                                 "feedback.pem", "operator.pem"})
        for path in (self.folder / "c").iterdir():
            self.assertEqual(path.stat().st_mode & 0o077, 0, path)

    def test_run_again_it_keeps_the_authority_and_renews_the_rest(self):
        self.make("live", "c")
        before = {path.name: path.read_bytes()
                  for path in (self.folder / "c").iterdir()}
        self.make("live", "c", "5")
        for name, text in before.items():
            is_kept = (self.folder / "c" / name).read_bytes() == text
            self.assertEqual(is_kept, name.startswith("ca."), name)


class CertificatesTest(unittest.TestCase):

    def setUp(self):
        folder = self.enterContext(tempfile.TemporaryDirectory())
        self.run_ = LiveRun(folder)
        self.certificates = pathlib.Path(folder) / "certificates"
        self.make("live", self.certificates)
        host = own_address()
        text = self.run_.config.read_text()
        for name in ("learner", "actor", "rewards", "refresher", "feedback"):
            at = self.run_.names[name]
            text = text.replace(at, at.replace("127.0.0.1", host))
        files = f"{self.certificates}/{{role}}.pem"
        self.run_.config.write_text(
            f'{text}\ntls {{ ca: "{self.certificates}/ca.pem" '
            f'certificate: "{files}" key: "{files}" }}\n')
        self.addCleanup(self.run_.stop)

    @staticmethod
    def make(run, folder):
        subprocess.run([MAKE, run, folder], check=True, capture_output=True)

    def status(self, *settings):
        """Code and output of `rlhf status`."""
        done = subprocess.run(
            [os.environ["RLHF_BINARY"], "status", self.run_.config, *settings],
            capture_output=True, text=True, timeout=60, check=False)
        return done.returncode, done.stdout + done.stderr

    def wait_for_updates(self, more):
        wanted = len(self.run_.updates()) + more
        wait_until(lambda: len(self.run_.updates()) >= wanted,
                   f"{more} more updates", WAIT_SECONDS)

    def test_the_loop_runs_and_hears_nobody_else(self):
        self.run_.start()
        wait_until(self.run_.promoted, "a PM that serves", WAIT_SECONDS)
        self.wait_for_updates(2)

        code, told = self.status()
        self.assertEqual(code, 0, told)
        self.assertNotIn("no answer", told)

        _, told = self.status(*files_of("actor", self.certificates))
        self.assertIn("the role actor may not call /rlhf.v1.Control/GetStatus",
                      told)

        other = self.certificates.parent / "other"
        self.make("other", other)
        code, told = self.status(*files_of("operator", other))
        self.assertEqual(code, CALLERS_MISTAKE, told)
        self.assertIn("rlhf://other/operator", told)

        # Renewed while it runs; the actor that starts again shows the new one
        # to processes that began with the old ones.
        self.make("live", self.certificates)
        self.assertTrue(self.run_.kill("actor"))
        self.wait_for_updates(3)
        self.assertEqual(self.status()[0], 0)
        self.assertEqual(self.run_.stop(), STOPPED_EARLY, self.run_.log())


if __name__ == "__main__":
    unittest.main()
