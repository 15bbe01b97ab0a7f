#!/usr/bin/env python3
"""What a real run writes for people who look at it later: TensorBoard's events
beside metrics.jsonl, and the spans of one rollout from its lease to its update.
"""

import json
import pathlib
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(SOURCE / "tests/live")]

import event_files  # noqa: E402
from live_run import LiveRun, wait_until  # noqa: E402

TRL = ["objective/kl", "objective/entropy", "objective/non_score_reward",
       "objective/rlhf_reward", "objective/scores", "policy/approxkl_avg",
       "policy/clipfrac_avg", "policy/entropy_avg", "loss/policy_avg",
       "loss/value_avg", "val/clipfrac_avg", "val/ratio", "val/ratio_var",
       "val/num_eos_tokens", "lr", "episode", "eps"]


def read_spans(folder):
    """Every span of a run, with its attributes and its role."""
    spans = []
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_text().splitlines():
            (resource,) = json.loads(line)["resourceSpans"]
            (scope,) = resource["scopeSpans"]
            (span,) = scope["spans"]
            span["role"] = path.name.split(".")[0]
            span["about"] = {
                one["key"]: next(iter(one["value"].values()))
                for one in span["attributes"]}
            spans.append(span)
    return spans


class RunFilesTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        run = LiveRun(folder.name)
        cls.addClassCleanup(run.stop)
        # Not to begin again from the initial policy: such updates are left out.
        run.start("learner.checkpoint_every=5",
                  "ppo.on_swap.restart_policy=false", "tracing.rollout_share=1")
        wait_until(lambda: cls.has_done_again(run), "updates done again", 150)
        last = len(run.updates())
        wait_until(lambda: len(run.updates()) > last + 2, "further updates", 60)
        run.stop()
        cls.lines = [json.loads(line) for line in
                     (run.directory / "metrics.jsonl").read_text().splitlines()]
        cls.events = list(event_files.events(run.directory / "tensorboard"))
        cls.files = sorted((run.directory / "tensorboard").iterdir())
        cls.spans = read_spans(run.directory / "traces")

    @classmethod
    def has_done_again(cls, run):
        """Kills the learner between two checkpoints, until an update came twice."""
        updates = [int(line["update"]) for line in run.updates()]
        if len(updates) > len(set(updates)):
            return True
        if updates and updates[-1] > 5 and updates[-1] % 5 in (1, 2, 3):
            wait_until(lambda: run.kill("learner"), "a learner", 20)
            wait_until(lambda: len(run.updates()) > len(updates),
                       "an update after the kill", 60)
        return False

    def test_each_start_has_a_file_that_says_where_it_goes_on(self):
        starts = [event for event in self.events if event.starts]
        self.assertEqual([event.file_version for event in self.events
                          if event.file_version],
                         ["brain.Event:2"] * len(self.files))
        self.assertEqual(len(starts), len(self.files))
        self.assertGreaterEqual(len(starts), 2)
        self.assertEqual(starts[0].step, 1)
        self.assertEqual(starts[1].step % 5, 1)
        for path in self.files:
            self.assertRegex(path.name,
                             r"^events\.out\.tfevents\.\d{10}\..+\.\d+$")

    def test_a_step_that_was_done_again_is_shown_once_as_it_was_done_last(self):
        last = {int(line["update"]): line for line in self.lines}
        self.assertLess(len(last), len(self.lines))
        points = event_files.shown(self.events)
        for field in ("reward_mean", "kl_k1_nats_per_sequence", "ratio_mean",
                      "num_rollouts", "update_seconds"):
            shown = points[f"rlhf/{field}"]
            self.assertEqual([step for step, _ in shown], sorted(last))
            for step, value in shown:
                self.assertAlmostEqual(value, last[step][field],
                                       delta=1e-6 * (1 + abs(value)))

    def test_trls_names_are_there_for_every_step(self):
        points = event_files.shown(self.events)
        steps = sorted({int(line["update"]) for line in self.lines})
        for tag in TRL:
            with self.subTest(tag=tag):
                self.assertEqual([step for step, _ in points[tag]], steps)
        for _, ratio in points["val/ratio"]:
            self.assertAlmostEqual(ratio, 1, delta=0.2)

    def test_texts_are_the_samples_of_metrics_jsonl(self):
        (first,) = [line for line in self.lines if line["update"] == "1"]
        self.assertEqual([one["choice"] for one in first["samples"]],
                         ["first", "best", "worst"])
        points = event_files.shown(self.events)
        for sample in first["samples"]:
            step, text = points[f"samples/{sample['choice']}"][0]
            self.assertEqual(step, 1)
            self.assertIn(sample["rollout_id"], text)
            self.assertIn(sample["prompt"].splitlines()[0], text)
        shown = {int(line["update"]) for line in self.lines if line["samples"]}
        self.assertTrue(all(update % 10 == 1 for update in shown), shown)

    def test_a_rollout_is_followed_from_lease_to_gradient(self):
        (update,) = [span for span in self.spans
                     if span["about"].get("rollout_id") == "000003/005" and
                     span["name"] == "update 3"][-1:]
        of_trace = [span for span in self.spans
                    if span["traceId"] == update["traceId"]]
        # What it shared with others is in the trace of the first of them.
        linked = {link["spanId"] for span in of_trace
                  for link in span["links"]}
        calls = [span for span in self.spans
                 if span["parentSpanId"] in linked or
                 span["parentSpanId"] in {one["spanId"] for one in of_trace}]
        path = [("learner", "lease"), ("actor", "generate"), ("actor", "score"),
                ("reward-server", "rlhf.v1.Reward/Score"), ("actor", "submit"),
                ("learner", "rlhf.v1.Rollouts/SubmitRollouts"),
                ("learner", "admission"), ("learner", "update 3")]
        begun = 0
        for role, name in path:
            with self.subTest(span=name):
                found = [span for span in of_trace + calls
                         if (span["role"], span["name"]) == (role, name)]
                self.assertTrue(found)
                self.assertLessEqual(begun, int(found[-1]["endTimeUnixNano"]))
                begun = int(found[-1]["startTimeUnixNano"])
        (lease,) = [span for span in of_trace if span["name"] == "lease"][-1:]
        for span in of_trace:
            if "rollout_id" in span["about"] and span["name"] != "lease":
                self.assertEqual(span["parentSpanId"], lease["spanId"])
        (admission,) = [span for span in of_trace
                        if span["name"] == "admission"][-1:]
        self.assertEqual(admission["about"]["answer"], "ACCEPTED")

    def test_every_rollout_of_an_update_has_its_span(self):
        ids = {span["about"]["rollout_id"] for span in self.spans
               if span["name"] == "update 2"}
        self.assertEqual(ids, {f"000002/{slot:03}" for slot in range(16)})


if __name__ == "__main__":
    unittest.main()
