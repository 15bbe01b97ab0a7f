import json
import pathlib
import tempfile
import unittest

from generation_bench import MIXED, decode_rates, either, mixed_lengths, write_prompts
from side_by_side import Spread


class GenerationTest(unittest.TestCase):

    def test_mixed_responses_reach_from_the_shortest_to_the_longest(self):
        lengths = mixed_lengths()
        self.assertEqual((len(lengths), min(lengths), max(lengths)),
                         (MIXED["prompts"], MIXED["shortest"], MIXED["longest"]))

    def test_no_two_prompts_begin_alike(self):
        with tempfile.TemporaryDirectory() as folder:
            prompts = json.loads(write_prompts(pathlib.Path(folder) / "p.json", 256, 5000).read_text())
        self.assertEqual(len({row[0] for row in prompts}), 256)
        self.assertLess(max(map(max, prompts)), 5000)

    def test_decoding_is_what_comes_after_the_first_tokens(self):
        self.assertEqual(decode_rates([{"prefill_s": 1, "total_s": 4}], batch=2), Spread.of([42]))

    def test_of_two_ways_to_run_transformers_the_better_one_counts(self):
        slow, fast, ours = Spread(1, 1, 1), Spread(2, 2, 2), Spread(3, 3, 3)
        self.assertEqual(either({"ours": ours, "transformers": slow, "transformers, padded": fast}),
                         {"ours": ours, "transformers": fast})
        self.assertEqual(either({"ours": ours}), {"ours": ours})


if __name__ == "__main__":
    unittest.main()
