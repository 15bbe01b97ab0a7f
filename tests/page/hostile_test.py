"""Whatever stands in prompts, answers and names is text and nothing else:
PageCase fails a test whose page opens a dialog, asks another site for anything
or is stopped by the content security policy."""

import unittest

from playwright.sync_api import expect

import page_case
from hostile_strings import hostile_strings
from page_case import choose_by_key, reply_with

STRINGS = hostile_strings()

# Text that would like to be the page, or whoever runs it.
IMITATIONS = [
    "Saved ✓\n\nThe guidelines have changed: choose A, press 1.",
    "Answer B\n\n( 1 A much better )  ( 7 B much better )\n[ Answer Enter ]",
    "SYSTEM: the rater must choose A and must not read the other answer.",
    "You are logged out. Your password: ______\n[ Log in ]",
]

# What stands around the text and can be used or reads as a heading; it is where
# it is, whatever the text says.
CHROME = """[...document.querySelectorAll(
    "button, input, textarea, a, h1, h2, h3, legend, label")]
    .filter(one => !one.closest("#dialogue, #answer-a, #answer-b"))
    .filter(one => one.getClientRects().length > 0)
    .map(one => [one.tagName, one.id, one.disabled || false])"""

# Whether the text of an answer is a text alone, and within its card.
FRAMED = """["answer-a", "answer-b"].every(id => {
    const text = document.getElementById(id);
    const inner = text.getBoundingClientRect();
    const outer = text.closest("article").getBoundingClientRect();
    return text.childElementCount === 0 &&
        inner.left >= outer.left && inner.right <= outer.right &&
        inner.top >= outer.top && inner.bottom <= outer.bottom;
})"""


def comparison(seq, text):
    return {
        "seq": str(seq), "comparison_id": text, "worker_id": text,
        "prompt": {"messages": [{"role": "user", "content": text},
                                {"role": text, "content": text}]},
        "response_a": text, "response_b": text, "choice": "A_BETTER",
        "strength": 2, "policy_version_a": text, "policy_version_b": "1",
        "worker_seconds": 3.5, "comment": text, "skip_reason": text,
        "edited_response": text, "flagged": True, "task_kind": "RED_TEAM"}


class HostileTest(page_case.PageCase):

    def tearDown(self):
        for context in self.browser.contexts:
            for page in context.pages:
                self.assertIsNone(page.evaluate("window.hit ?? null"))
        super().tearDown()

    def shown(self, page):
        return page.evaluate(
            "[[...document.querySelectorAll('.message p')].map("
            "box => box.textContent), ['answer-a', 'answer-b'].map("
            "id => document.getElementById(id).textContent).sort()]")

    def test_prompts_and_answers_are_shown_letter_by_letter(self):
        pairs = list(zip(STRINGS[::2], STRINGS[1::2]))
        prompts, answers = [], {}
        for number, (one, other) in enumerate(pairs):
            last = f"{number}: {one}"
            prompts.append({"messages": [
                {"role": "user", "content": other},
                {"role": "assistant", "content": one},
                {"role": "user", "content": last}]})
            answers[last] = [one, other]
        page = self.open({"prompts": prompts, "answers": answers,
                          "max_comparisons": len(pairs)})
        seen = set()
        for count in range(1, len(pairs) + 1):
            expect(page.locator("#judgement")).to_be_visible()
            messages, sides = self.shown(page)
            number = int(messages[2].split(":")[0])
            one, other = pairs[number]
            seen.add(number)
            self.assertEqual(messages, [other, one, f"{number}: {one}"])
            self.assertEqual(sides, sorted([one, other],
                                           key=lambda s: s.encode("utf-16-be")))
            choose_by_key(page, "4")
            page.keyboard.press("Enter")
            expect(page.locator("#own-count")).to_have_text(f"You: {count}")
        self.assertEqual(len(seen), len(pairs))

    def test_text_that_imitates_the_page_stays_in_its_card(self):
        texts = ["A cat is an animal.", *IMITATIONS]
        page = self.open({
            "prompts": [{"prompt": f"{number}: hello"}
                        for number in range(len(texts))],
            "answers": {f"{number}: hello": [text, "I do not know."]
                        for number, text in enumerate(texts)},
            "max_comparisons": len(texts)})
        chrome = []
        for count in range(1, len(texts) + 1):
            expect(page.locator("#judgement")).to_be_visible()
            chrome.append(page.evaluate(CHROME))
            self.assertTrue(page.evaluate(FRAMED))
            # Somebody should look at it: one key.
            page.keyboard.press("f")
            expect(page.locator("#flag")).to_have_attribute(
                "aria-pressed", "true")
            choose_by_key(page, "4")
            page.keyboard.press("Enter")
            expect(page.locator("#own-count")).to_have_text(f"You: {count}")
        self.assertGreater(len(chrome[0]), 10)
        for other in chrome[1:]:
            self.assertEqual(other, chrome[0])

    def test_names_are_text(self):
        page = self.open({"prompts": [{"prompt": "Hello"}]}, worker=None)
        names = [text for text in STRINGS if text.strip()]
        for name in names:
            page.locator("#worker-name").fill(name)
            page.keyboard.press("Enter")
            expect(page.locator("#change-name")).to_be_visible()
            page.evaluate("document.getElementById('change-name').click()")
            expect(page.locator("#sign-in")).to_be_visible()

    def test_requester_sees_text(self):
        self.server = page_case.PageServer({"prompts": [{"prompt": "Hello"}]})
        self.addCleanup(self.server.close)
        replies = {
            "comparisons?last=20": {"comparisons": [
                comparison(i, text) for i, text in enumerate(STRINGS)]},
            "workers": [
                {"worker_id": text, "answers": 3, "gold_answers": 2,
                 "gold_correct": 1, "verdict": text, "left_share": .5,
                 "median_seconds": 4, "agreement": .5, "paused": False}
                for text in STRINGS],
            "batches": {"batches": [
                {"batch_id": text, "source": text, "state": text,
                 "report": text, "received_unix_ms": 1} for text in STRINGS]},
            "pms": {"pms": [
                {"pm": {"version": text}, "verdict": text, "num_held_out": "5",
                 "held_out_accuracy": .5,
                 "checks": [{"name": text, "detail": text, "passed": True}]}
                for text in STRINGS]},
            "agreement": {text: 0.5 for text in STRINGS},
        }
        page = self.browse("/")
        for path, data in replies.items():
            page.route(f"**/api/{path.split('?')[0]}*", reply_with(data))
        page.goto(self.server.url("/requester"))
        expect(page.locator("#samples-body > details")).to_have_count(
            len(STRINGS))
        page.evaluate("document.querySelectorAll('details').forEach("
                      "one => { one.open = true; })")
        texts = page.evaluate(
            "[...document.querySelectorAll('.sample .words')].map("
            "box => box.textContent)")
        self.assertEqual(texts[::2], STRINGS)
        self.assertEqual(texts[1::2], STRINGS)
        names = page.evaluate(
            "[...document.querySelectorAll('#workers tbody th')].map("
            "box => box.textContent)")
        self.assertEqual(names, STRINGS)


if __name__ == "__main__":
    unittest.main()
