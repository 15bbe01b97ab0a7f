"""What becomes of answers on their way: no word that a worker wrote is lost."""

import datetime
import unittest

from playwright.sync_api import expect

import page_case
from page_case import choose_by_key, question, wait_until

CATS = {"prompts": [question("Tell me about cats."),
                    question("Tell me about dogs."),
                    question("Tell me about birds.")]}


# All of the browser's storage that is left.
FILL = """() => {
  for (let size = 1 << 22, i = 0; size > 0;) {
    try { localStorage.setItem("fill/" + i++, "x".repeat(size)); }
    catch (error) { size >>= 1; }
  }
}"""


def refuse(page, path, status, why):
    page.route("**" + path, lambda route: route.fulfill(
        status=status, json={"error": why}))


class OutboxTest(page_case.PageCase):

    def write_comment(self, page, text):
        expect(page.locator("#judgement")).to_be_visible()
        page.keyboard.press("c")
        page.keyboard.type(text)
        page.keyboard.press("Escape")

    def test_refused_words_stay_on_the_page_until_put_away(self):
        for status in (403, 404, 409):
            page = self.open(CATS)
            refuse(page, "/api/comparison", status, "somebody else was faster")
            self.write_comment(page, "Long thoughts of mine.")
            choose_by_key(page, "2")
            page.keyboard.press("t")
            page.keyboard.type("And then?")
            page.keyboard.press("Escape")
            page.locator("#send-now").click()
            expect(page.locator("#notice")).to_have_text(
                "Not saved: somebody else was faster")
            for _ in range(2):
                kept = page.locator("#kept")
                expect(kept).to_contain_text("Your answer: A is better")
                expect(kept).to_contain_text("somebody else was faster")
                expect(kept).to_contain_text("Tell me about")
                expect(kept.get_by_label("Comment")).to_have_value(
                    "Long thoughts of mine.")
                expect(kept.get_by_label("What the human says next")) \
                    .to_have_value("And then?")
                page.reload()
            self.assert_no_barrier(page, "kept words")
            page.get_by_role("button", name="Put it away").click()
            expect(page.locator("#kept")).to_be_hidden()
            page.reload()
            expect(page.locator("#judgement")).to_be_visible()
            expect(page.locator("#kept")).to_be_hidden()

    def test_refused_words_have_room_where_their_answer_was(self):
        page = self.open(CATS)
        refuse(page, "/api/comparison", 409, "somebody else was faster")
        self.write_comment(page, "Long thoughts of mine.")
        choose_by_key(page, "2")
        expect(page.locator("#notice")).to_have_text("")
        page.evaluate(FILL)
        page.locator("#send-now").click()
        expect(page.locator("#kept")).to_be_visible()
        page.reload()
        expect(page.locator("#kept").get_by_label("Comment")).to_have_value(
            "Long thoughts of mine.")

    def test_who_has_no_room_for_an_answer_is_told_to_stay(self):
        page = self.open(CATS)
        expect(page.locator("#judgement")).to_be_visible()
        page.evaluate(FILL)
        choose_by_key(page, "2")
        expect(page.locator("#notice")).to_contain_text("leave the page open")
        page.locator("#send-now").click()
        expect(page.locator("#notice")).to_contain_text("Saved")

    def test_answer_that_came_late_is_said_to_be_saved_as_extra(self):
        page = self.open(CATS)
        page.route("**/api/comparison", lambda route: route.fulfill(
            json={"seq": 2, "saved": True, "extra": True}))
        self.write_comment(page, "Long thoughts of mine.")
        choose_by_key(page, "2")
        page.keyboard.press("t")
        page.keyboard.type("And then?")
        page.keyboard.press("Escape")
        page.locator("#send-now").click()
        expect(page.locator("#notice")).to_contain_text("Saved ✓ It came late")
        expect(page.locator("#judgement")).to_be_visible()
        kept = page.locator("#kept")
        expect(kept).to_contain_text("The dialogue cannot go on")
        expect(kept.get_by_label("What the human says next")) \
            .to_have_value("And then?")
        # The server has the rest.
        expect(kept.get_by_label("Comment")).to_have_count(0)

    def test_kept_words_are_shown_to_whoever_wrote_them_alone(self):
        page = self.open(CATS)
        refuse(page, "/api/comparison", 409, "no")
        self.write_comment(page, "Mine.")
        choose_by_key(page, "2")
        page.locator("#send-now").click()
        expect(page.locator("#kept")).to_be_visible()
        page.locator("#change-name").click()
        expect(page.locator("#kept")).to_be_hidden()
        for name, is_shown in (("ben", False), ("ada", True)):
            page.locator("#worker-name").fill(name)
            page.keyboard.press("Enter")
            expect(page.locator("#judgement")).to_be_visible()
            self.assertEqual(page.locator("#kept").is_visible(), is_shown)
            page.locator("#change-name").click()

    def test_refused_turn_keeps_its_words(self):
        page = self.open(CATS)
        refuse(page, "/api/continue", 404, "too long ago")
        choose_by_key(page, "1")
        page.keyboard.press("t")
        page.keyboard.type("Tell me why.")
        page.keyboard.press("Control+Enter")
        expect(page.locator("#notice")).to_contain_text("too long ago")
        expect(page.locator("#kept").get_by_label("What the human says next")) \
            .to_have_value("Tell me why.")

    def test_task_that_went_to_somebody_else_leaves_its_words(self):
        page = self.open({**CATS, "lease_seconds": 100})
        expect(page.locator("#more-time")).to_be_visible()
        self.write_comment(page, "Half a thought")
        page.route("**/api/task", lambda route: route.fulfill(json={
            "task_id": "another", "kind": "helpful", "left": "l", "right": "r",
            "messages": [{"role": "user", "content": "Other?"}],
            "lease_seconds": 100}))
        page.locator("#more-time").click()
        expect(page.locator("#dialogue")).to_contain_text("Other?")
        expect(page.locator("#kept").get_by_label("Comment")).to_have_value(
            "Half a thought")

    def with_clock(self, scenario):
        page = self.open(scenario)
        page.clock.install()
        page.reload()
        return page

    def test_answer_is_sent_before_its_lease_ends(self):
        page = self.with_clock({**CATS, "lease_seconds": 40})
        choose_by_key(page, "4")
        page.clock.fast_forward(25_000)
        expect(page.locator("#held-state")).to_contain_text("10 seconds")
        self.assertEqual(self.server.comparisons(), [])
        # The notice tells of the next task at once, which has little time too.
        with page.expect_response("**/api/comparison") as reply:
            page.clock.fast_forward(11_000)
        self.assertEqual(reply.value.status, 200)

    def test_clock_that_is_set_back_holds_no_answer_longer(self):
        page = self.with_clock(CATS)
        choose_by_key(page, "4")
        now = page.evaluate("Date.now()") / 1000
        page.clock.set_system_time(
            datetime.datetime.fromtimestamp(now - 86_400))
        page.clock.fast_forward(61_000)
        expect(page.locator("#notice")).to_have_text("Saved ✓")

    def test_restart_of_the_service_loses_no_held_answer(self):
        page = self.open(CATS)
        self.write_comment(page, "Worth keeping.")
        choose_by_key(page, "6")
        self.server.kill()
        self.server.start()
        page.keyboard.press("Enter")
        expect(page.locator("#notice")).to_have_text("Saved ✓")
        log = self.server.comparisons()
        self.assertEqual([c["comment"] for c in log], ["Worth keeping."])
        expect(page.locator("#kept")).to_be_hidden()

    def test_what_others_left_behind_keeps_nobody_from_working(self):
        page = self.open(CATS)
        expect(page.locator("#judgement")).to_be_visible()
        page.route("**/api/comparison", lambda route: route.abort())
        left = {f"outbox/{i}": {
            "answer": {"comparison_id": str(i), "worker_id": "ben",
                       "task_id": "t", "choice": "tie"},
            "task": {"messages": [{"role": "user", "content": "?"}]},
            "label": "", "dueAt": 0} for i in range(50)}
        page.evaluate("left => Object.entries(left).forEach(([key, value]) =>"
                      " localStorage.setItem(key, JSON.stringify(value)))",
                      left)
        page.reload()
        choose_by_key(page, "1")
        wait_until(page, "Object.keys(localStorage).filter("
                         "key => key.startsWith('outbox/')).length === 51")

    def test_enter_in_the_guidelines_answers_nothing(self):
        page = self.open(CATS)
        expect(page.locator("#judgement")).to_be_visible()
        page.keyboard.press("1")
        page.keyboard.press("g")
        page.locator("#keys-on").focus()
        page.keyboard.press("Enter")
        expect(page.locator("#held")).to_be_hidden()
        page.keyboard.press("Escape")
        expect(page.locator("#guide")).to_be_hidden()
        expect(page.locator("#judgement")).to_be_visible()
        expect(page.locator("#held")).to_be_hidden()


if __name__ == "__main__":
    unittest.main()
