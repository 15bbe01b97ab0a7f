#!/usr/bin/env python3
"""What the soak measures, on made-up times and samples."""

import unittest

import figures
import judge


def life(slope_mib_per_minute=0.0, begin=0.0, seconds=200, level=100,
         descriptors=lambda second: 20):
    """A sample a second."""
    return [(begin + s,
             (level + slope_mib_per_minute * s / 60) * figures.MIB,
             descriptors(s)) for s in range(seconds)]


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

    def test_a_wait_of_less_than_half_a_second_is_none(self):
        times = [t / 100 for t in range(1001)] + [10.4] + [
            t / 100 for t in range(1041, 2001)]
        self.assertEqual(figures.effective_time(times, 10, 20, []), (1, 0))

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
        slope, seconds = figures.memory_slope([life(2.5)])
        self.assertAlmostEqual(slope, 2.5)
        self.assertEqual(seconds, 199 - figures.WARM_UP)

    def test_a_restart_at_another_level_is_no_growth(self):
        lives = [life(level=100), life(begin=300, level=180)]
        self.assertAlmostEqual(figures.memory_slope(lives)[0], 0)

    def test_the_beginning_of_a_life_does_not_count(self):
        warm = [(t, memory if t >= figures.WARM_UP else t * figures.MIB, n)
                for t, memory, n in life()]
        self.assertAlmostEqual(figures.memory_slope([warm])[0], 0)

    def test_short_lives_are_not_judged(self):
        short = [life(50, seconds=figures.WARM_UP + figures.LIFE - 1)]
        self.assertEqual(figures.memory_slope(short), (None, 0))
        self.assertIsNone(figures.descriptor_growth(short))
        self.assertIsNone(judge.memory_steady("actor", None, 0, 1).holds)
        self.assertIsNone(judge.descriptors_steady("actor", None, 2).holds)

    def test_a_leak_of_memory_is_a_violation(self):
        self.assertTrue(judge.memory_steady("actor", 1.0, 600, 1).holds)
        self.assertFalse(judge.memory_steady("actor", 1.1, 600, 1).holds)

    def test_a_few_minutes_tell_nothing_of_memory(self):
        self.assertIsNone(judge.memory_steady("actor", 1.1, 599, 1).holds)

    def test_a_leak_of_descriptors_is_a_violation(self):
        leak = figures.descriptor_growth(
            [life(), life(descriptors=lambda s: 20 + s // 20)])
        self.assertGreaterEqual(leak, 7)
        self.assertFalse(judge.descriptors_steady("actor", leak, 2).holds)
        self.assertTrue(judge.descriptors_steady("actor", 2, 2).holds)


if __name__ == "__main__":
    unittest.main()
