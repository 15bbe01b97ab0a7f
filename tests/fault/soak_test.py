#!/usr/bin/env python3
"""The schedule and the invariants of the soak, on made-up runs: what is broken is
seen."""

import pathlib
import struct
import sys
import tempfile
import unittest

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1] / "live")]

import judge  # noqa: E402
from faults import PORTS, Faults  # noqa: E402
from journals import Batch, fields, read_batch  # noqa: E402
from live_run import ADDRESSES  # noqa: E402
from live_run import PORTS as METRICS_PORTS  # noqa: E402
from people import BATCH, write_batch  # noqa: E402
from schedule import DECK, LONGEST, ROLES, SHORTEST, draw  # noqa: E402
from watch import METRICS, series  # noqa: E402

DIGESTS = {1: "aa", 2: "bb"}


def update(number, **fields):
    """A line of metrics.jsonl."""
    return {"update": str(number), "policy_version": str(number),
            "pm": {"version": "1", "digest": DIGESTS[1]},
            "parameter_hash": f"hash {number}", "reward_mean": 0.5,
            **fields}


def updates(*numbers):
    return [update(number) for number in numbers]


def moved(seq, version, by="gate"):
    """A transition of the registry."""
    return {"seq": seq, "by": by, "aliases": {"serving": version}}


class ScheduleTest(unittest.TestCase):

    def test_the_same_seed_makes_the_same_schedule(self):
        self.assertEqual(draw(7, 30, 20), draw(7, 30, 20))
        self.assertNotEqual(draw(7, 30, 20), draw(8, 30, 20))

    def test_a_shorter_one_is_the_beginning_of_a_longer_one(self):
        self.assertEqual(draw(7, 2, 20), draw(7, 30, 20)[:6])

    def test_a_fault_strikes_at_every_interval(self):
        faults = draw(1, 30, 20)
        self.assertEqual([fault.at for fault in faults],
                         [20 * i for i in range(90)])
        self.assertTrue(all(SHORTEST <= f.seconds <= LONGEST for f in faults))

    def test_everything_comes_once_before_anything_comes_again(self):
        for seed in range(20):
            some = draw(seed, len(DECK) / 3, 20)[:len(DECK)]
            self.assertCountEqual([(f.kind, f.role) for f in some], DECK)

    def test_every_kind_can_be_inflicted(self):
        for kind, _ in DECK:
            self.assertTrue(hasattr(Faults, "_" + kind), kind)

    def test_every_role_and_port_is_known(self):
        known = {*ADDRESSES, *METRICS_PORTS}
        self.assertEqual(set(METRICS), {*ROLES, "up"})
        self.assertLessEqual(set(METRICS.values()), known)
        self.assertEqual(set(PORTS), known)


class JudgeTest(unittest.TestCase):

    def holds(self, verdict):
        self.assertIs(verdict.holds, True, verdict.figure)

    def violated(self, verdict, words):
        self.assertIs(verdict.holds, False, verdict.figure)
        self.assertIn(words, verdict.figure)

    def test_updates_follow_one_another(self):
        self.holds(judge.updates_in_order(updates(1, 2, 3), 1, 4))
        self.violated(judge.updates_in_order(updates(1, 3), 1, 4),
                      "update 3 follows 1")
        self.violated(judge.updates_in_order(updates(2, 3), 1, 4),
                      "update 2 follows 0")

    def test_a_restarted_learner_makes_the_same_updates_again(self):
        lines = updates(1, 2, 3, 2, 3, 4)
        self.holds(judge.updates_in_order(lines, 2, 4))
        self.violated(judge.updates_in_order(lines, 1, 4), "made again 1")
        lines[3] = update(2, parameter_hash="another")
        self.violated(judge.updates_in_order(lines, 2, 4), "differs")

    def test_a_restart_loses_no_more_than_a_checkpoint_allows(self):
        lines = updates(*range(1, 21), *range(12, 22))
        self.violated(judge.updates_in_order(lines, 2, 4), "further back")

    def test_an_update_twice_without_a_restart_is_a_repetition(self):
        self.violated(judge.updates_in_order(updates(1, 2, 2, 3), 1, 4),
                      "the learner was started 1 times")

    def test_versions_rise(self):
        self.holds(judge.versions_rise(updates(1, 2, 1, 2, 3)))
        self.violated(judge.versions_rise(
            [*updates(1, 2), update(3, policy_version="2")]), "update 3")

    def test_stale_samples_are_seen(self):
        self.holds(judge.staleness_bounded([update(1, staleness_max="1")], 1))
        self.violated(judge.staleness_bounded(
            [update(1), update(2, staleness_max="2")], 1), "staleness 2")

    def test_a_pm_that_never_served_may_reward_nothing(self):
        history = [moved(1, 1)]
        self.holds(judge.one_pm_per_batch(updates(1, 2), history, DIGESTS))
        other = update(2, pm={"version": "2", "digest": "bb"})
        self.violated(judge.one_pm_per_batch([other], history, DIGESTS),
                      "never served")
        changed = update(2, pm={"version": "1", "digest": "bb"})
        self.violated(judge.one_pm_per_batch([changed], history, DIGESTS),
                      "digest")
        self.violated(judge.one_pm_per_batch([update(2, pm={})], history,
                                             DIGESTS), "PM v0")

    def test_a_rollout_is_trained_on_once_and_scored_by_one_pm(self):
        first = Batch(1, 1, [("a", 1), ("b", 1)])
        self.holds(judge.rollouts_once([first, Batch(2, 2, [("c", 2)])]))
        self.violated(judge.rollouts_once([first, Batch(2, 1, [("b", 1)])]),
                      "b is in the batches of updates 1 and 2")
        self.violated(judge.rollouts_once([Batch(1, 1, [("a", 2)])]),
                      "scored by PM v2 in a batch of PM v1")
        self.violated(judge.rollouts_once([]), "no rollouts")

    def test_serving_moves_to_what_may_serve(self):
        history = [moved(1, 1), moved(2, 2), moved(3, 1, by="soak")]
        self.holds(judge.promotions_allowed(history, {1, 2}, {1}))
        self.violated(judge.promotions_allowed(history, {1}, {1}),
                      "v2 serves by gate")
        self.violated(judge.promotions_allowed(history, {1, 2}, {2}),
                      "v1 serves by soak")
        self.violated(judge.promotions_allowed(
            [moved(1, 1), moved(2, 2, by="refresher")], {1, 2}, set()),
            "by refresher")
        self.violated(judge.promotions_allowed([moved(2, 1)], {1}, set()),
                      "in place 1")

    def rows(self, *names, worker="ada", batch=""):
        return [{"comparison_id": name, "worker_id": worker,
                 "batch_id": batch} for name in names]

    def test_comparisons_are_there_once(self):
        rows = self.rows("a", "b")
        self.holds(judge.comparisons_kept(rows, ["a"], {"ada": 2}, (3, 1)))
        self.violated(judge.comparisons_kept(rows, ["c"], {}, (2, 0)),
                      "c was acknowledged and is lost")
        self.violated(judge.comparisons_kept(self.rows("a", "a"), [], {},
                                             (2, 0)), "a is there 2 times")
        self.violated(judge.comparisons_kept(rows, [], {"ada": 3}, (2, 0)),
                      "ada has 2 comparisons, and 3 were acknowledged")
        self.violated(judge.comparisons_kept(rows, [], {}, (3, 0)),
                      "are not 3")

    def test_batches_are_whole_or_gone(self):
        rows = self.rows("a", "b", batch="b-1")
        self.holds(judge.batches_kept(rows, {"b-1": 2, "b-2": 0}))
        self.violated(judge.batches_kept(rows, {"b-1": 3}), "wanted 3")
        self.violated(judge.batches_kept(rows, {"b-1": 0}), "wanted 0")

    def test_orders_are_taken_once(self):
        records = [{"order": {"seq": "1"}}, {"order": {"seq": "2"}}]
        self.holds(judge.orders_kept(records, 2))
        self.violated(judge.orders_kept(records, 1), "2 orders recorded")
        self.violated(judge.orders_kept(records[1:], 1), "numbered [2]")

    def test_who_dies_without_being_killed_is_named(self):
        killed = "actor was killed by signal 9 (Killed); restart in 500ms\n"
        self.holds(judge.nobody_died("actor started\n" + killed,
                                     {"actor": 1}))
        self.violated(judge.nobody_died(killed, {}), "actor died of signal 9")
        self.violated(judge.nobody_died("", {"actor": 1}), "died of signal 9 0")
        self.violated(judge.nobody_died(
            "learner was killed by signal 11 (Segmentation fault); restart "
            "in 1s\n", {}), "learner was killed by signal 11")
        self.violated(judge.nobody_died(
            "reward-server exited with code 3; restart in 1s\n", {}),
            "reward-server exited with code 3")

    def test_restarts_are_counted_each_and_no_others(self):
        counted = {("actor", "signal"): 2.0, ("actor", "error"): 0.0}
        self.holds(judge.restarts_counted(counted, {"actor": 2}))
        self.violated(judge.restarts_counted(counted, {"actor": 1}),
                      "2 restarts of actor by signal, wanted 1")
        self.violated(judge.restarts_counted({("actor", "error"): 1.0}, {}),
                      "by error, wanted 0")
        self.violated(judge.restarts_counted({}, {}), "no series")

    def test_who_hangs_is_named(self):
        self.holds(judge.all_recovered([("kill actor", 2.0, "")], 30))
        self.violated(judge.all_recovered([("kill actor", None, "")], 30),
                      "kill actor: no progress")
        self.violated(judge.all_recovered(
            [("second actor", 1.0, "runs beside the first")], 30), "beside")

    def test_the_share_of_effective_time_is_judged(self):
        self.assertTrue(judge.effective(0.9, 3, 0.9).holds)
        self.assertFalse(judge.effective(0.89, 3, 0.9).holds)

    def test_the_end_has_its_code(self):
        self.assertTrue(judge.ended_in_order(5, 5).holds)
        self.assertFalse(judge.ended_in_order(1, 5).holds)

    def test_too_little_traffic_is_told(self):
        wanted = {"updates": 50, "PM swaps": 1}
        self.assertEqual(
            judge.shortfall({"updates": 50, "PM swaps": 1}, wanted), "")
        self.assertEqual(judge.shortfall({"updates": 50}, wanted),
                         "0 PM swaps, wanted 1")


class JournalTest(unittest.TestCase):
    HEADER = bytes([0x08, 0xac, 0x02, 0x12, 0x02, 0x08, 0x03])  # 300, PM v3
    # Its name "r1", two ints that do not matter, a float, and PM v3.
    ROLLOUT = (bytes([0x0a, 0x02]) + b"r1" + bytes([0x10, 0x01, 0x38, 0x05]) +
               bytes([0x55]) + struct.pack("<f", 0.5) +
               bytes([0x5a, 0x02, 0x08, 0x03]))

    def journal(self, *records):
        return b"".join(struct.pack("<IQ", len(r), 0) + r for r in records)

    def test_a_journal_is_read(self):
        self.assertEqual(
            read_batch(self.journal(self.HEADER, self.ROLLOUT)),
            Batch(300, 3, [("r1", 3)]))
        self.assertEqual(fields(bytes([0x19]) + bytes(8) + bytes([0x08, 1])),
                         {3: bytes(8), 1: 1})

    def test_a_record_that_a_crash_cut_off_is_passed_over(self):
        whole = self.journal(self.HEADER, self.ROLLOUT)
        for length in range(len(self.journal(self.HEADER)), len(whole)):
            self.assertEqual(read_batch(whole[:length]), Batch(300, 3, []))
        self.assertIsNone(read_batch(b""))


class TextsTest(unittest.TestCase):

    def test_series_have_names_labels_and_values(self):
        self.assertEqual(
            series("# HELP a help\na_total{x=\"1\",b=\"c\"} 2\nb 1e3\n"),
            {("a_total", (("b", "c"), ("x", "1"))): 2.0, ("b", ()): 1000.0})

    def test_batches_of_different_seeds_share_no_comparison(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "batch.jsonl")
            found = []
            for seed in ("1-1", "1-2", "1-1"):
                write_batch(path, seed)
                found.append(path.read_text().splitlines())
        self.assertEqual(len(set(found[0])), BATCH)
        self.assertFalse(set(found[0]) & set(found[1]))
        self.assertEqual(found[0], found[2])


if __name__ == "__main__":
    unittest.main()
