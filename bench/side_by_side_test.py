import contextlib
import io
import json
import pathlib
import tempfile
import unittest
from unittest import mock

import machine
from side_by_side import Bar, Report, Spread, best, interleave, number


class FakeQuiet:
    num_thrown_away = 0

    def run(self, repetition):
        return repetition()


class InterleaveTest(unittest.TestCase):

    def test_sides_take_turns_after_one_call_each_that_does_not_count(self):
        calls = []
        sides = {name: lambda name=name: calls.append(name) or len(calls) for name in ("ours", "peer")}
        results = interleave(sides, 2, FakeQuiet())
        self.assertEqual(calls, ["ours", "peer"] * 3)
        self.assertEqual(results, {"ours": [3, 5], "peer": [4, 6]})


class FiguresTest(unittest.TestCase):

    def test_a_spread_is_least_median_and_most(self):
        self.assertEqual(Spread.of([4, 1, 3]), Spread(1, 3, 4))
        self.assertEqual(str(Spread(1, 3.14159, 400.4)), "3.14 (1 to 400)")

    def test_numbers_have_three_digits(self):
        self.assertEqual([number(v) for v in (12345.6, 12.345, 0.0123456)], ["12346", "12.3", "0.0123"])

    def test_the_best_side_is_never_ours(self):
        sides = {"ours": Spread(9, 9, 9), "a": Spread(1, 2, 3), "b": Spread(2, 2.5, 3)}
        self.assertEqual(best(sides), "b")
        self.assertIsNone(best({"ours": Spread(1, 1, 1)}))

    def test_bars_say_which_way_they_go(self):
        self.assertEqual(str(Bar(1.25)), "bar: at least 1.25x")
        self.assertEqual(str(Bar(0.75, "%")), "bar: at least 75%")
        self.assertEqual(str(Bar(80, " ms", at_most=True)), "bar: at most 80 ms")


class ReportTest(unittest.TestCase):

    def setUp(self):
        folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.enterContext(mock.patch.object(machine, "__file__", str(folder / "machine.py")))
        self.path, self.said = folder / "results/some.json", io.StringIO()
        self.enterContext(contextlib.redirect_stdout(self.said))
        self.report = Report("some", FakeQuiet())

    def test_a_ratio_stands_beside_its_bar(self):
        self.report.ratio("decode", {"ours": Spread(5, 6, 7), "peer": Spread(1, 2, 3)}, Bar(2.5), "tokens/s")
        self.assertEqual(self.said.getvalue(),
                         "decode against peer: ours 6 (5 to 7), peer 2 (1 to 3) tokens/s = 3x (bar: at least 2.5x)\n")

    def test_rows_and_what_was_skipped_are_kept_as_they_come(self):
        self.report.ratio("decode", {"ours": Spread(5, 6, 7)}, Bar(2.5), "tokens/s")
        self.assertIn("SKIPPED decode", self.said.getvalue())
        self.report.row("rate", None, None, {"ours": Spread(1, 1, 1)}, "GB/s")
        kept = json.loads(self.path.read_text())
        self.assertEqual([row["measure"] for row in kept["rows"]], ["rate"])
        self.assertEqual(kept["skipped"][0]["what"], "decode")
        self.assertIn("processor", kept["machine"])


if __name__ == "__main__":
    unittest.main()
