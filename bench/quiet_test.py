import contextlib
import io
import os
import unittest

import quiet
from quiet import Look, NotQuiet, Process, QuietMachine

ME = os.getpid()


class FakeMachine:
    """Time passes with `sleep` only; others use `cores` then. `steps` are the cores
    of one second after the other, the last one for ever."""

    def __init__(self, *steps):
        self.steps, self.seconds, self.used = list(steps), 0.0, 0

    def sleep(self, seconds):
        cores = self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]
        self.seconds += seconds
        self.used += round(cores * seconds * quiet.TICKS)

    def look(self):
        return Look(self.seconds, self.used, 0, {ME: Process("me", 1, 0, 0), 9: Process("cc1plus", 1, self.used, 0)})

    def quiet(self, **options):
        return QuietMachine(look=self.look, sleep=self.sleep, **options)


class ParsingTest(unittest.TestCase):

    def test_interrupts_and_idleness_are_nobodys(self):
        self.assertEqual(quiet.parse_machine("cpu  10 2 3 500 60 7 8 4 0 0\ncpu0 1"), (15, 4))

    def test_a_name_may_hold_spaces_and_brackets(self):
        text = "24 (a) (b c) S 7 24 24 0 -1 0 0 0 0 0 11 12 13 14 20 0 1"
        self.assertEqual(quiet.parse_process(text), Process("a) (b c", 7, 23, 27))

    def test_this_machine_can_be_read(self):
        self.assertIn(ME, quiet.look().processes)


class OthersTest(unittest.TestCase):

    def look(self, seconds, used, processes, stolen=0):
        return Look(seconds, used, stolen, processes)

    def test_what_descends_from_us_is_ours(self):
        processes = {1: Process("init", 0, 0, 0), 5: Process("bench", 1, 0, 0), 6: Process("sh", 5, 0, 0),
                     7: Process("engine", 6, 0, 0), 8: Process("cc1plus", 1, 0, 0)}
        self.assertEqual(quiet.family(processes, 5), {5, 6, 7})

    def test_only_what_others_use_counts(self):
        before = self.look(0, 1000, {5: Process("bench", 1, 100, 0), 8: Process("cc1plus", 1, 900, 0)})
        after = self.look(10, 1000 + 12 * quiet.TICKS,
                          {5: Process("bench", 1, 100 + 10 * quiet.TICKS, 0),
                           8: Process("cc1plus", 1, 900 + 2 * quiet.TICKS, 0)})
        self.assertAlmostEqual(quiet.others_cores(before, after, 5), 0.2, delta=0.01)
        self.assertEqual(quiet.busiest(before, after, 5), "cc1plus 0.20 cores")

    def test_a_child_that_ended_is_not_taken_for_another(self):
        before = self.look(0, 0, {5: Process("bench", 1, 0, 0), 6: Process("engine", 5, 100, 0)})
        after = self.look(1, 150, {5: Process("bench", 1, 0, 250)})
        self.assertEqual(quiet.others_cores(before, after, 5), 0)

    def test_time_that_other_machines_took_counts(self):
        before, after = self.look(0, 0, {}), self.look(1, 0, {}, stolen=quiet.TICKS)
        self.assertGreater(quiet.others_cores(before, after, 5), 0.9)
        self.assertIn("other machines", quiet.busiest(before, after, 5))


class QuietMachineTest(unittest.TestCase):

    def setUp(self):
        self.said = io.StringIO()
        self.enterContext(contextlib.redirect_stderr(self.said))

    def test_a_repetition_starts_once_a_second_was_quiet(self):
        machine = FakeMachine(2, 1, 0.1)
        machine.quiet().wait()
        self.assertEqual(machine.seconds, 3)
        self.assertEqual(self.said.getvalue(), "  waiting for a quiet machine: cc1plus 2.00 cores\n")

    def test_patience_ends_with_the_name_of_who_is_busy(self):
        with self.assertRaisesRegex(NotQuiet, "cc1plus 1.00 cores"):
            FakeMachine(1).quiet(patience=5).wait()

    def test_a_disturbed_repetition_is_thrown_away(self):
        machine = FakeMachine(0, 1, 0)  # quiet, then disturbed, then quiet
        quiet_machine = machine.quiet()
        results = iter(["disturbed", "clean"])

        def repetition():
            machine.sleep(1)
            return next(results)

        self.assertEqual(quiet_machine.run(repetition), "clean")
        self.assertEqual(quiet_machine.num_thrown_away, 1)

    def test_it_gives_up_when_all_are_disturbed(self):
        machine = FakeMachine(0)
        quiet_machine = machine.quiet(tries=2)

        def repetition():
            machine.used += quiet.TICKS
            machine.seconds += 1

        with self.assertRaisesRegex(NotQuiet, "2 repetitions"):
            quiet_machine.run(repetition)


if __name__ == "__main__":
    unittest.main()
