#!/usr/bin/env python3
"""What the soak judges by, on made-up runs: what is broken is seen."""

import pathlib
import sys
import tempfile
import unittest

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1] / "live")]

import figures  # noqa: E402
import judge  # noqa: E402
from faults import PORTS, Faults  # noqa: E402
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


def life(slope_mib_per_minute=0.0, begin=0.0, seconds=200, level=100,
         descriptors=lambda second: 20):
    """A sample a second."""
    return [(begin + s,
             (level + slope_mib_per_minute * s / 60) * figures.MIB,
             descriptors(s)) for s in range(seconds)]


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


class EffectiveTimeTest(unittest.TestCase):
    # Ten quiet seconds, then twenty of faults; an update a second.
    QUIET = [float(t) for t in range(11)]

    def test_is_all_of_it_if_updates_come_as_before(self):
        times = [float(t) for t in range(31)]
        self.assertEqual(figures.effective_time(times, 10, 30, []), (1, 0))

    def test_what_a_standstill_has_beyond_a_usual_wait_is_lost(self):
        times = self.QUIET + [15.0] + [float(t) for t in range(16, 31)]
        share, lost = figures.effective_time(times, 10, 30, [])
        self.assertEqual(lost, 4)
        self.assertEqual(share, 0.8)

    def test_a_run_that_never_goes_on_has_lost_the_rest(self):
        share, _ = figures.effective_time(self.QUIET, 10, 30, [])
        self.assertAlmostEqual(share, 1 / 20)

    def test_an_ordered_pause_counts_neither_way(self):
        times = self.QUIET + [15.0] + [float(t) for t in range(16, 31)]
        self.assertEqual(
            figures.effective_time(times, 10, 30, [(10.5, 14.5)]), (1, 0))

    def test_updates_that_are_made_again_do_not_end_a_wait(self):
        made = [(0, 1), (1, 2), (2, 3), (5, 2), (6, 3), (7, 4)]
        self.assertEqual(figures.furthest(made), [0, 1, 2, 7])


class ResourcesTest(unittest.TestCase):

    def test_the_slope_is_that_of_the_memory(self):
        self.assertAlmostEqual(figures.memory_slope([life(2.5)]), 2.5)

    def test_a_restart_at_another_level_is_no_growth(self):
        lives = [life(level=100), life(begin=300, level=180)]
        self.assertAlmostEqual(figures.memory_slope(lives), 0)

    def test_the_beginning_of_a_life_does_not_count(self):
        warm = [(t, memory if t >= figures.WARM_UP else t * figures.MIB, n)
                for t, memory, n in life()]
        self.assertAlmostEqual(figures.memory_slope([warm]), 0)

    def test_short_lives_are_not_judged(self):
        short = [life(50, seconds=figures.WARM_UP + figures.LIFE - 1)]
        self.assertIsNone(figures.memory_slope(short))
        self.assertIsNone(figures.descriptor_growth(short))
        self.assertIsNone(judge.memory_steady("actor", None, 1).holds)
        self.assertIsNone(judge.descriptors_steady("actor", None, 2).holds)

    def test_a_leak_of_memory_is_a_violation(self):
        self.assertTrue(judge.memory_steady("actor", 1.0, 1).holds)
        self.assertFalse(judge.memory_steady("actor", 1.1, 1).holds)

    def test_a_leak_of_descriptors_is_a_violation(self):
        leak = figures.descriptor_growth(
            [life(), life(descriptors=lambda s: 20 + s // 20)])
        self.assertGreaterEqual(leak, 7)
        self.assertFalse(judge.descriptors_steady("actor", leak, 2).holds)
        self.assertTrue(judge.descriptors_steady("actor", 2, 2).holds)


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
