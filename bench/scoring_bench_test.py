import json
import pathlib
import tempfile
import unittest

import dialogues
from generation_bench import count_weights
from score_models import with_score_head
from scoring_bench import count_mixed, largest_difference, scores_of
from small_run import write_llama


class DialoguesTest(unittest.TestCase):

    def test_a_dialogue_ends_with_its_response(self):
        self.assertEqual(dialogues.parse("\n\nHuman: Why?\n\nAssistant: So.\n\nHuman: And?\n\nAssistant: No."), {
            "messages": [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."},
                         {"role": "user", "content": "And?"}], "response": "No."})

    def test_what_no_answer_ends_is_no_dialogue(self):
        for text in ("", "Hello", "\n\nHuman: Why?", "\n\nHuman: Why?\n\nAssistant:"):
            self.assertIsNone(dialogues.parse(text), text)

    def test_words_make_up_the_tokens_that_are_wanted(self):
        self.assertEqual(dialogues.words_for(128, bare=28, with_ten=38), 100)
        self.assertEqual(dialogues.words_for(128, bare=28, with_ten=48), 50)
        self.assertEqual(dialogues.words_for(5, bare=28, with_ten=38), 1)

    def test_mixed_lengths_are_spread_evenly(self):
        lengths = dialogues.mixed_tokens(5, shortest=10, longest=50)
        self.assertEqual(sorted(lengths), [10, 20, 30, 40, 50])
        self.assertNotEqual(lengths, sorted(lengths))


class ScoresTest(unittest.TestCase):

    def test_a_score_of_another_version_than_the_named_one_is_mixed(self):
        expected = {1: [0.5, 1.5], 2: [2.5, 3.5]}
        answer = {"scores": [[0.5], [1.5], [0.5], None, [2.5], [3.5]], "versions": [1, 1, 2, None, 7, 2]}
        self.assertEqual(count_mixed(answer, expected), 2)

    def test_a_failed_call_ends_the_comparison(self):
        with self.assertRaisesRegex(RuntimeError, "1 of 2 calls failed: full"):
            scores_of({"failed": 1, "calls": 2, "first_error": "full"})
        self.assertEqual(scores_of({"failed": 0, "scores": [[1, 2], [3]]}), [1, 2, 3])

    def test_sides_that_scored_unequally_many_are_no_comparison(self):
        self.assertEqual(largest_difference([1, 2], [1, 2.5]), 0.5)
        with self.assertRaises(ValueError):
            largest_difference([1], [1, 2])


class ModelsTest(unittest.TestCase):

    def test_a_score_head_is_all_that_is_added(self):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            write_llama(folder / "model", 1, layers=1, width=16)
            before = count_weights(folder / "model")
            with_score_head(folder / "model", folder / "pm")
            self.assertEqual(count_weights(folder / "pm"), before + 16)
            config = json.loads((folder / "pm/config.json").read_text())
            self.assertEqual(config["architectures"], ["LlamaForSequenceClassification"])
            data = (folder / "model/model.safetensors").read_bytes()
            self.assertIn(data[8 + int.from_bytes(data[:8], "little"):], (folder / "pm/model.safetensors").read_bytes())
            self.assertTrue((folder / "pm/tokenizer.json").exists())


if __name__ == "__main__":
    unittest.main()
