#!/usr/bin/env python3
"""What a batch of comparisons does to a running loop, until it is taken back.

It is imported, waits at the gate, is released, teaches the next PM and the
policy that this PM rewards; it is retracted, and the next PM and the policy
under it know nothing of it. All of it through the verbs that people use. The
comparisons are real where ../shared/data has them, else invented.
"""

import json
import os
import pathlib
import re
import tempfile
import unittest

from live_run import LiveRun, wait_until
from real_comparisons import comparisons

# Far more than anything takes on two cores.
WAIT_SECONDS = 60
# kStoppedEarly of core/launch/exit_codes.h: `rlhf up` was not finished.
STOPPED_EARLY = 5


def versions(text, kind):
    """{7, 8, 9} of "policy versions  v7 to v9"."""
    line = re.search(rf"^{kind} versions +(.*)$", text, re.MULTILINE).group(1)
    found = set()
    for first, last in re.findall(r"v(\d+)(?: to v(\d+))?", line):
        found |= set(range(int(first), int(last or first) + 1))
    return found


# Somebody whose answers are too fast, so that the gate names them.
HASTY = "zoltan.kovacs"
NUM_HASTY = 20

# It cannot be read, and what is told of that quotes it.
MALFORMED = '{"prompt": "Where?", "chosen": "Fox Street 7 in Springfield\n'
QUOTED = "Fox Street 7"


def hasty():
    """Lines of our own form."""
    return [json.dumps({
        "prompt": {"messages": [{"role": "user",
                                 "content": f"What is {i} and {i}?"}]},
        "response_a": f"those are {2 * i} of them as everybody can count",
        "response_b": f"those are {3 * i} of them as nobody can count",
        "choice": "A_BETTER", "strength": 1, "worker_id": HASTY,
        "worker_seconds": 0.3}) + "\n" for i in range(7, 7 + NUM_HASTY)]


def needles(lines):
    """A phrase of each comparison of a chosen and a rejected answer that only
    it has, as a file would hold it."""
    found = []
    for line in lines:
        words = re.findall(r"[A-Za-z ,']{30,}", json.loads(line)["chosen"])
        found += sorted(words, key=len)[-1:]
    # What stands at the ends of a message is not kept.
    return [phrase.strip().encode() for phrase in found]


def content(path):
    """What the file holds; nothing if the run has removed it meanwhile."""
    try:
        return path.read_bytes() if path.is_file() else b""
    except FileNotFoundError:
        return b""


def files_with(directory, phrases):
    """The files below `directory` that hold any of `phrases`."""
    found = []
    # The run makes and removes folders meanwhile, which os.walk bears.
    for folder, _, names in os.walk(directory):
        for path in (pathlib.Path(folder, name) for name in names):
            text = content(path)
            if any(phrase in text for phrase in phrases):
                found.append(str(path.relative_to(directory)))
    return found


def missing(phrases, rows):
    """Those of `phrases` that none of the exported comparisons holds."""
    text = json.dumps(list(rows.values())).encode()
    return [phrase for phrase in phrases if phrase not in text]


def num_decided(rows, last_seq):
    """Comparisons among the first that say which response is better."""
    return sum(1 for seq, row in rows.items() if seq <= last_seq and
               row["choice"] in ("A_BETTER", "B_BETTER"))


class BatchLineageTest(unittest.TestCase):

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="rlhf-live-")
        self.addCleanup(folder.cleanup)
        self.lines, origin = comparisons()
        print(origin)
        self.file = pathlib.Path(folder.name, "real.jsonl")
        self.write()
        self.run_ = LiveRun(folder.name)
        self.addCleanup(self.run_.stop)

    def write(self, *more):
        self.file.write_text("".join([*self.lines, *more]), encoding="utf-8")

    def wait(self, condition, what):
        try:
            wait_until(condition, what, WAIT_SECONDS)
        except TimeoutError as error:
            last = self.run_.log().splitlines()[-40:]
            raise TimeoutError("\n".join([str(error), *last])) from None

    def next_pm(self, after):
        """The first PM above `after` that is promoted."""
        found = []

        def promoted():
            found[:] = [v for v in self.run_.promoted() if v > after]
            return found

        self.wait(promoted, f"a PM after v{after} is promoted")
        return found[0]

    def policy_under(self, pm):
        """A policy version that has trained on this PM's rewards."""
        def made():
            return [int(u["policy_version"]) for u in self.run_.updates()
                    if int(u["pm"]["version"]) == pm and not u.get("left_out")]

        self.wait(made, f"a policy is trained under PM v{pm}")
        return made()[-1]

    def import_and_release(self):
        report = self.run_.verb("feedback", "import", str(self.file))
        batch = re.search(r"^batch (b-\w+)", report, re.MULTILINE).group(1)
        # People's answers are longer than the small policy's eight tokens, so
        # the gate is right to ask. The requester knows what was handed in, and
        # says so: it is what `release` is for.
        self.assertIn(": quarantined", report)
        self.assertIn("LOOK response_length", report)
        # Who hands it in is told what is wrong in it.
        self.assertIn(QUOTED, report)
        self.assertIn(f"worker {HASTY}: {NUM_HASTY} of {NUM_HASTY}", report)
        self.assertIn("quarantined", self.run_.verb("feedback", "batches"))
        with self.assertRaisesRegex(RuntimeError, "no comparison of batch"):
            self.run_.ask("lineage", "--batch", batch)
        released = self.run_.verb(
            "feedback", "release", batch, "--by", "ada", "--reason",
            "read twenty of them: people wrote these")
        self.assertIn(f"{len(self.lines)} comparisons accepted", released)
        return batch

    def check_taught(self, batch, pm, policy):
        text = self.run_.verb("lineage", "--batch", batch)
        self.assertIn(f"{len(self.lines)} comparisons, 0 retracted", text)
        self.assertIn(pm, versions(text, "PM"))
        self.assertIn(policy, versions(text, "policy"))
        self.assertIn(batch, self.run_.verb("lineage", "--pm", str(pm)))
        text = self.run_.verb("lineage", "--policy", str(policy))
        self.assertIn(f"rewarded by PM v{pm}\n", text)
        self.assertIn(batch, text)
        # By the configuration that it was trained with, not by today's.
        self.assertEqual(self.num_teachers(pm), self.num_teachers(
            pm, "--set", "preference.held_out_share=0.9"))

    def num_teachers(self, pm, *flags):
        text = self.run_.ask("lineage", "--pm", str(pm), *flags)
        return int(re.search(r"^taught by (\d+) of", text,
                             re.MULTILINE).group(1))

    def check_pm_data(self, pm, rows):
        """Not what lineage derives, but what the PM was trained on: as many
        pairs as `rows` have."""
        report = self.run_.card(pm)["report"]
        self.assertEqual(
            int(report["num_train"]) + int(report["num_held_out"]),
            num_decided(rows, int(report["data"]["last_seq"])))

    def check_text_is_gone(self, phrases):
        verified = self.run_.verb("feedback", "verify")
        self.assertIn(f"{len(self.lines)} of them retracted", verified)
        self.assertIn("the chain holds", verified)
        self.assertEqual(files_with(self.run_.directory, phrases), [])
        self.assertEqual(missing(phrases, self.run_.export()), phrases)

    def retract(self, batch):
        text = self.run_.verb("feedback", "retract", "--batch", batch, "--by",
                              "ada", "--reason", "their consent was withdrawn")
        self.assertIn(f"{len(self.lines)} comparisons retracted", text)
        return text

    def check_forgotten(self, batch, pm, policy):
        self.assertNotIn(batch, self.run_.verb("lineage", "--pm", str(pm)))
        text = self.run_.verb("lineage", "--policy", str(policy))
        self.assertIn(f"rewarded by PM v{pm}\n", text)
        self.assertNotIn(batch, text)
        # What had learned from it before has, and is still told.
        text = self.run_.verb("lineage", "--batch", batch)
        self.assertIn(f"{len(self.lines)} retracted", text)
        self.assertNotIn(pm, versions(text, "PM"))
        self.assertNotIn(policy, versions(text, "policy"))

    def test_a_batch_teaches_until_it_is_retracted(self):
        phrases = needles(self.lines)
        self.lines += hasty()
        self.write(MALFORMED)
        self.run_.start()
        first = self.next_pm(after=0)
        self.policy_under(first)
        batch = self.import_and_release()
        # That is kept nowhere, and the name in the store alone.
        self.assertEqual(
            files_with(self.run_.directory, [QUOTED.encode()]), [])
        for path in files_with(self.run_.directory, [HASTY.encode()]):
            self.assertIn("feedback/comparisons.db", path)
        self.assertIn(HASTY, self.run_.ask("feedback", "batches", batch))
        rows = self.run_.export()
        last = max(s for s, row in rows.items() if row["batch_id"] == batch)
        second = self.next_pm(after=first)
        # One that was being trained when the batch came has nothing of it.
        while int(self.run_.card(second)["report"]["data"]["last_seq"]) < last:
            second = self.next_pm(after=second)
        taught = self.policy_under(second)
        self.check_taught(batch, second, taught)
        rows = self.run_.export()
        self.check_pm_data(second, rows)
        # They are where they will be looked for in vain.
        self.assertEqual(missing(phrases, rows), [])
        self.assertIn("feedback/comparisons.db",
                      " ".join(files_with(self.run_.directory, phrases)))

        self.assertRegex(self.retract(batch),
                         f"PM versions that may have learned from it +v{second}")
        self.check_text_is_gone([*phrases, HASTY.encode()])
        self.assertNotIn(HASTY, self.run_.ask("feedback", "batches", batch))
        self.assertIn(f"{len(self.lines)} taken back",
                      self.run_.verb("feedback", "batches"))
        third = self.next_pm(after=second)
        self.run_.verb("pm", "list")
        self.check_pm_data(third, self.run_.export())
        self.check_forgotten(batch, third, self.policy_under(third))
        self.assertEqual(self.run_.stop(), STOPPED_EARLY, self.run_.log())

    def test_a_pm_that_learns_from_what_is_retracted_never_serves(self):
        # An empty log: there is nothing that the batch could be unlike.
        report = self.run_.verb("feedback", "import", str(self.file))
        self.assertIn(": accepted", report)
        batch = re.search(r"^batch (b-\w+)", report, re.MULTILINE).group(1)
        # Long enough for a retraction in the middle.
        self.run_.start("preference.num_epochs=20")
        self.wait(lambda: self.run_.refresher_phase() == "training",
                  "a PM is trained")
        self.assertRegex(self.retract(batch), "have learned from it +none")
        pm = self.next_pm(after=0)
        self.assertNotIn(batch, self.run_.verb("lineage", "--pm", str(pm)))
        self.check_pm_data(pm, self.run_.export())
        self.assertEqual(self.run_.stop(), STOPPED_EARLY, self.run_.log())


if __name__ == "__main__":
    unittest.main()
