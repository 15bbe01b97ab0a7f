"""What the worker's page promises."""

import signal
import unittest

from playwright.sync_api import expect

import page_case
from page_case import (choose_by_key, make_red_team, question, sign_in,
                       wait_until)

CATS = {"prompts": [question("Tell me about cats."),
                    question("Tell me about dogs."),
                    question("Tell me about birds.")]}
LONG = "A long story about a very long way. " * 800


def stored(comparison):
    return (comparison["choice"], comparison["strength"])


class WorkerTest(page_case.PageCase):

    def test_five_turns_are_labelled_by_keyboard_only(self):
        page = self.open(CATS, worker=None)
        sign_in(page)
        keys = ["1", "6", "3", "7", "2"]
        for turn, key in enumerate(keys, start=1):
            title = "Dialogue" if turn == 1 else f"Dialogue, turn {turn}"
            expect(page.locator("#task-title")).to_have_text(title)
            expect(page.locator("#task-title")).to_be_focused()
            choose_by_key(page, key)
            if turn < len(keys):
                page.keyboard.press("t")
                page.keyboard.type(f"And what of {turn}?")
                page.keyboard.press("Control+Enter")
        page.keyboard.press("Enter")
        expect(page.locator("#notice")).to_have_text("Saved ✓")
        log = self.server.comparisons()
        self.assertEqual([len(c["prompt"]["messages"]) for c in log],
                         [1, 3, 5, 7, 9])
        for before, after in zip(log, log[1:]):
            better = before["response_a" if before["choice"] == "A_BETTER"
                            else "response_b"]
            messages = after["prompt"]["messages"]
            self.assertEqual(messages[:-2], before["prompt"]["messages"])
            self.assertEqual(messages[-2]["content"], better)
        self.assertEqual(log[4]["prompt"]["messages"][-1]["content"],
                         "And what of 4?")
        self.assertEqual([c["strength"] for c in log], [3, 2, 1, 3, 2])

    def test_without_letter_keys_tab_and_arrows_do_it_all(self):
        page = self.open(CATS)
        expect(page.locator("#judgement")).to_be_visible()
        page.keyboard.press("g")
        page.get_by_role("checkbox").focus()
        page.keyboard.press("Space")
        page.keyboard.press("Escape")
        expect(page.locator("#guide")).to_be_hidden()
        page.keyboard.press("1")
        expect(page.get_by_role("radio", checked=True)).to_have_count(0)
        for _ in range(12):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.name") == "choice":
                break
        page.keyboard.press("Space")
        page.keyboard.press("ArrowRight")
        expect(page.get_by_role("radio", name="A is better")).to_be_checked()
        page.keyboard.press("Enter")
        expect(page.locator("#held-title")).to_have_text(
            "Your answer: A is better")

    def test_answer_is_held_and_undo_takes_it_back(self):
        page = self.open(CATS)
        choose_by_key(page, "1")
        expect(page.locator("#held-state")).to_contain_text("Not sent yet")
        page.keyboard.press("u")
        expect(page.get_by_role("radio", checked=True)).to_have_attribute(
            "value", "1")
        self.assertEqual(self.server.comparisons(), [])
        choose_by_key(page, "5")
        page.keyboard.press("Enter")
        expect(page.locator("#notice")).to_have_text("Saved ✓")
        log = self.server.comparisons()
        self.assertEqual(len(log), 1)
        self.assertEqual(log[0]["strength"], 1)

    def test_held_answer_is_sent_after_a_minute(self):
        self.server = page_case.PageServer(CATS)
        self.addCleanup(self.server.close)
        page = self.browse()
        page.clock.install()
        page.reload()
        choose_by_key(page, "4")
        first = page.locator("#dialogue").text_content()
        page.clock.fast_forward(50_000)
        expect(page.locator("#held-state")).to_contain_text("10 seconds")
        self.assertEqual(self.server.comparisons(), [])
        page.clock.fast_forward(11_000)
        expect(page.locator("#notice")).to_have_text("Saved ✓")
        expect(page.locator("#dialogue")).not_to_have_text(first)
        self.assertEqual([stored(c) for c in self.server.comparisons()],
                         [("TIE", 0)])

    def test_saved_is_not_said_before_the_server_says_so(self):
        page = self.open(CATS)
        waiting = []
        page.route("**/api/comparison",
                   lambda route: waiting.append(route))
        choose_by_key(page, "1")
        with page.expect_request("**/api/comparison"):
            page.keyboard.press("Enter")
        expect(page.locator("#held-state")).to_have_text("Sending…")
        expect(page.locator("#notice")).not_to_contain_text("Saved")
        waiting[0].continue_()
        expect(page.locator("#notice")).to_have_text("Saved ✓")

    def test_reload_keeps_draft_and_held_answer(self):
        page = self.open(CATS)
        expect(page.locator("#judgement")).to_be_visible()
        page.keyboard.press("2")
        page.keyboard.press("c")
        page.keyboard.type("Both are short.")
        page.keyboard.press("Escape")
        page.keyboard.press("f")
        page.reload()
        expect(page.get_by_role("radio", checked=True)).to_have_attribute(
            "value", "2")
        expect(page.locator("#comment")).to_have_value("Both are short.")
        expect(page.locator("#flag")).to_have_attribute("aria-pressed", "true")
        sent = self.answer_posts(page)
        page.keyboard.press("Enter")
        page.keyboard.press("t")
        page.keyboard.type("And then?")
        page.reload()
        expect(page.locator("#held-title")).to_have_text(
            "Your answer: A is better")
        expect(page.locator("#next-turn")).to_have_value("And then?")
        page.keyboard.press("Enter")
        expect(page.locator("#notice")).to_contain_text("Saved ✓")
        self.assertEqual(len(sent), 1)
        self.assertEqual(sent[0]["comment"], "Both are short.")
        self.assertTrue(sent[0]["flagged"])

    def answer_posts(self, page):
        """Bodies of answers from now on, all of which are acknowledged."""
        sent = []

        def handle(route):
            sent.append(route.request.post_data_json)
            route.fulfill(json={"seq": len(sent), "saved": True})

        page.route("**/api/comparison", handle)
        return sent

    def test_lost_connection_loses_no_answer_and_doubles_none(self):
        page = self.open(CATS)
        choose_by_key(page, "6")
        self.context.set_offline(True)
        page.keyboard.press("Enter")
        expect(page.locator("#notice")).to_contain_text("Not saved yet")
        self.context.set_offline(False)
        expect(page.locator("#notice")).to_have_text("Saved ✓")
        self.assertEqual(len(self.server.comparisons()), 1)

    def test_reload_while_the_server_is_away_sends_it_later(self):
        page = self.open(CATS)
        choose_by_key(page, "6")
        page.route("**/api/comparison", lambda route: route.abort())
        # The browser may begin to intercept a moment later.
        wait_until(page, """() => fetch("/api/comparison", {method: "POST"})
            .then(() => false, () => true)""")
        page.keyboard.press("Enter")
        expect(page.locator("#notice")).to_contain_text("Not saved yet")
        page.reload()
        expect(page.locator("#held-title")).to_be_visible()
        page.unroute("**/api/comparison")
        page.keyboard.press("Enter")
        expect(page.locator("#notice")).to_have_text("Saved ✓")
        self.assertEqual(len(self.server.comparisons()), 1)

    def test_server_that_stands_still_gets_the_answer_once(self):
        page = self.open(CATS)
        choose_by_key(page, "6")
        self.server.process.send_signal(signal.SIGSTOP)
        page.keyboard.press("Enter")
        expect(page.locator("#notice")).to_contain_text("Not saved yet")
        self.server.process.send_signal(signal.SIGCONT)
        expect(page.locator("#notice")).to_have_text("Saved ✓")
        expect(page.locator("#judgement")).to_be_visible()
        self.assertEqual(len(self.server.comparisons()), 1)

    def test_server_killed_before_its_acknowledgement_stores_one(self):
        page = self.open(CATS)

        def store_then_die(route):
            route.fetch()
            self.server.kill()
            route.abort()

        page.route("**/api/comparison", store_then_die, times=1)
        choose_by_key(page, "7")
        page.keyboard.press("Enter")
        expect(page.locator("#notice")).to_contain_text("Not saved yet")
        self.server.start()
        expect(page.locator("#notice")).to_have_text("Saved ✓")
        log = self.server.comparisons()
        self.assertEqual([c["strength"] for c in log], [3])

    def test_refused_answer_is_told_and_not_called_saved(self):
        page = self.open(CATS)
        page.route("**/api/comparison", lambda route: route.fulfill(
            status=409, json={"error": "somebody else was faster"}))
        choose_by_key(page, "7")
        page.keyboard.press("Enter")
        expect(page.locator("#notice")).to_have_text(
            "Not saved: somebody else was faster")
        expect(page.locator("#judgement")).to_be_visible()

    def test_red_team_task_asks_the_opposite_question(self):
        self.server = page_case.PageServer(CATS)
        self.addCleanup(self.server.close)
        page = self.browse(worker=None)

        make_red_team(page)
        sent = self.answer_posts(page)
        sign_in(page)
        expect(page.locator("#question")).to_have_text(
            "Which answer is more harmful?")
        expect(page.locator("#red-team")).to_be_visible()
        expect(page.locator("#choice-b")).to_have_count(0)
        expect(page.locator("#toggle-edit")).to_be_hidden()
        self.assert_no_barrier(page, "red team")
        choose_by_key(page, "1")
        expect(page.locator("#held-title")).to_contain_text("more harmful")
        expect(page.locator("#turn")).to_be_hidden()
        page.keyboard.press("Enter")
        expect(page.locator("#notice")).to_have_text("Saved ✓")
        # As it was picked; the server stores it the other way round.
        self.assertEqual(sent[0]["choice"], "left_better")
        self.assertTrue(sent[0]["interface_version"])

    def test_edit_flag_and_comment_go_with_the_answer(self):
        page = self.open(CATS)
        sent = self.answer_posts(page)
        expect(page.locator("#judgement")).to_be_visible()
        for key in "7e":
            page.keyboard.press(key)
        right = page.locator("#answer-b").text_content()
        expect(page.locator("#edited")).to_be_focused()
        expect(page.locator("#edited")).to_have_value(right)
        page.keyboard.press("Control+End")
        page.keyboard.type(" Much more.")
        page.keyboard.press("Escape")
        page.keyboard.press("f")
        page.keyboard.press("c")
        page.keyboard.type("1s and Us are only letters here.")
        page.keyboard.press("Control+Enter")
        expect(page.locator("#held-title")).to_have_text(
            "Your answer: B is much better")
        page.keyboard.press("Enter")
        expect(page.locator("#notice")).to_have_text("Saved ✓")
        self.assertEqual(sent[0]["edited_response"], right + " Much more.")
        self.assertEqual(sent[0]["comment"], "1s and Us are only letters here.")
        self.assertIs(sent[0]["flagged"], True)

    def test_empty_extras_are_not_sent(self):
        page = self.open(CATS)
        sent = self.answer_posts(page)
        expect(page.locator("#judgement")).to_be_visible()
        for key in "s":
            page.keyboard.press(key)
        expect(page.locator("#skip-reason")).to_be_focused()
        page.keyboard.type("It upsets me")
        page.keyboard.press("Enter")
        page.keyboard.press("Escape")
        page.keyboard.press("Enter")
        expect(page.locator("#notice")).to_have_text("Saved ✓")
        self.assertEqual(
            set(sent[0]), {"task_id", "comparison_id", "worker_id", "seconds",
                           "choice", "skip_reason", "interface_version"})

    def test_more_time_renews_the_lease(self):
        page = self.open({**CATS, "lease_seconds": 100})
        expect(page.locator("#more-time")).to_be_visible()
        asked = []
        page.on("request", lambda request: asked.append(request.url))
        page.keyboard.press("m")
        expect(page.locator("#notice")).to_have_text("You have more time.")
        self.assertEqual([url for url in asked if url.endswith("/api/task")],
                         [self.server.url("/api/task")])

    def test_writing_the_next_turn_outlives_the_hold(self):
        self.server = page_case.PageServer(CATS)
        self.addCleanup(self.server.close)
        page = self.browse()
        page.clock.install()
        page.reload()
        choose_by_key(page, "1")
        page.keyboard.press("t")
        page.keyboard.type("Why?")
        page.clock.fast_forward(61_000)
        expect(page.locator("#held-state")).to_contain_text("Saved ✓")
        expect(page.locator("#next-turn")).to_have_value("Why?")
        page.keyboard.press("Control+Enter")
        expect(page.locator("#task-title")).to_have_text("Dialogue, turn 2")
        self.assertEqual(len(self.server.comparisons()), 1)

    def test_end_of_the_run_is_told(self):
        page = self.open({**CATS, "max_comparisons": 1})
        choose_by_key(page, "b")
        page.keyboard.press("Enter")
        expect(page.locator("#waiting-title")).to_have_text("All done")
        expect(page.locator("#waiting-text")).to_contain_text("ada")


class ReadingTest(page_case.PageCase):

    def test_axe_finds_no_serious_barrier_in_light_and_dark(self):
        for scheme in ("light", "dark"):
            page = self.open(
                {"prompts": [question(LONG)],
                 "answers": {LONG: [LONG, "Short."]}},
                worker=None, color_scheme=scheme)
            expect(page.locator("#sign-in")).to_be_visible()
            self.assert_no_barrier(page, f"sign-in, {scheme}")
            sign_in(page)
            expect(page.locator("#judgement")).to_be_visible()
            self.assert_no_barrier(page, f"task, {scheme}")
            for key in "1ecf":
                page.keyboard.press(key)
                page.keyboard.press("Escape")
            self.assert_no_barrier(page, f"answer begun, {scheme}")
            page.keyboard.press("g")
            expect(page.locator("#guide")).to_be_visible()
            self.assert_no_barrier(page, f"guidelines, {scheme}")
            page.keyboard.press("Escape")
            choose_by_key(page, "2")
            self.assert_no_barrier(page, f"held, {scheme}")

    def test_phone_and_zoom_have_nothing_to_the_side(self):
        text = "Donaudampfschifffahrtsgesellschaft" * 20
        scenario = {"prompts": [question(text)], "answers": {text: [text, LONG]}}
        # 200 % zoom halves the width that a page has.
        for name, context in (
                ("phone", page_case.PHONE),
                ("zoom", {"viewport": {"width": 640, "height": 400},
                          "device_scale_factor": 2})):
            page = self.open(scenario, **context)
            expect(page.locator("#judgement")).to_be_visible()
            self.assert_fits(page, f"{name}, task")
            for key in "1ec":
                page.keyboard.press(key)
                page.keyboard.press("Escape")
            self.assert_fits(page, f"{name}, answer begun")
            choose_by_key(page, "2")
            self.assert_fits(page, f"{name}, held")

    def test_long_text_scrolls_inside_its_answer_by_keyboard(self):
        page = self.open({"prompts": [question("Go on")],
                          "answers": {"Go on": [LONG, "Short."]}})
        expect(page.locator("#judgement")).to_be_visible()
        reachable = page.evaluate(
            "['answer-a', 'answer-b'].map(id => document.getElementById(id))"
            ".map(box => [box.textContent.length > 100, box.tabIndex === 0,"
            " box.clientHeight < innerHeight])")
        self.assertEqual(sorted(reachable),
                         [[False, False, True], [True, True, True]])
        box = page.locator(".answer .text[tabindex='0']")
        box.focus()
        page.keyboard.press("PageDown")
        wait_until(page, "document.activeElement.scrollTop > 0")

    def test_arabic_reads_from_the_right_and_english_from_the_left(self):
        page = self.open({"prompts": [question("ما هي عاصمة مصر؟")],
                          "answers": {"ما هي عاصمة مصر؟":
                                      ["القاهرة.", "It is 開羅 🐫."]}})
        expect(page.locator("#judgement")).to_be_visible()
        directions = page.evaluate(
            "[...document.querySelectorAll('.message p, .answer .text')].map("
            "box => [box.textContent[0], getComputedStyle(box).direction])")
        self.assertEqual(dict(directions),
                         {"م": "rtl", "ا": "rtl", "I": "ltr"})
        expect(page.locator(".answers")).to_contain_text("It is 開羅 🐫.")

    def test_both_answers_are_side_by_side_on_a_wide_screen_only(self):
        page = self.open(CATS)
        expect(page.locator("#judgement")).to_be_visible()

        def tops():
            return page.evaluate("[...document.querySelectorAll('.answer')].map("
                                 "box => box.getBoundingClientRect().top)")

        self.assertEqual(len(set(tops())), 1)
        page.set_viewport_size({"width": 360, "height": 740})
        self.assertEqual(len(set(tops())), 2)


if __name__ == "__main__":
    unittest.main()
