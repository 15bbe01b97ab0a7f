"""What the pages promise where people must log in."""

import json
import re
import unittest

from playwright.sync_api import expect

import page_case
from page_case import choose_by_key

SCENARIO = {"prompts": [{"prompt": f"Tell me about {what}."}
                        for what in ("cats", "dogs", "birds", "fish")],
            "require_login": True}
PASSWORD = "seven wet umbrellas"


class LoginPageTest(page_case.PageCase):

    def setUp(self):
        self.server = page_case.PageServer(SCENARIO)
        self.addCleanup(self.server.close)

    def invitation(self, role, name):
        return self.server.post("/api/invitations",
                                {"role": role, "name": name})["path"]

    def join(self, role, name):
        """A page of `name`'s own browser, after the invitation was used."""
        page = self.browse(self.invitation(role, name), worker=None)
        self.use_invitation(page, name)
        return page

    def use_invitation(self, page, name):
        expect(page.locator("#join-name")).to_have_value(name)
        page.locator("#join-password").fill(PASSWORD)
        page.keyboard.press("Enter")

    def save(self, page, key):
        choose_by_key(page, key)
        page.keyboard.press("Enter")
        expect(page.locator("#notice")).to_have_text("Saved ✓")

    def kept_answers(self, page):
        """How many answers wait in the browser."""
        return page.evaluate("Object.keys(localStorage).filter("
                             "key => key.includes('outbox/')).length")

    def test_login_is_asked_for_without_barriers(self):
        page = self.browse("/", worker=None)
        expect(page.locator("#login")).to_be_visible()
        self.assert_no_barrier(page, "login")
        self.assert_fits(page, "login")
        page.goto(self.server.url(self.invitation("worker", "ada")))
        expect(page.locator("#join")).to_be_visible()
        self.assertNotIn("token", page.url)
        self.assert_no_barrier(page, "join")

    def test_invited_worker_answers_under_a_pseudonym(self):
        page = self.join("worker", "ada")
        expect(page.locator("#change-name")).to_have_text("ada · log out")
        self.save(page, "1")
        [stored] = self.server.comparisons()
        self.assertRegex(stored["worker_id"], "^w-[0-9a-f]{16}$")

    def test_answer_outlives_its_session(self):
        page = self.join("worker", "ada")
        choose_by_key(page, "1")
        self.context.clear_cookies()
        page.keyboard.press("Enter")
        expect(page.locator("#login")).to_be_visible()
        page.locator("#login-name").fill("ada")
        page.locator("#login-password").fill(PASSWORD)
        page.keyboard.press("Enter")
        expect(page.locator("#held-title")).to_be_visible()
        page.keyboard.press("Enter")
        expect(page.locator("#notice")).to_have_text("Saved ✓")
        self.assertEqual(len(self.server.comparisons()), 1)
        self.assertEqual(self.kept_answers(page), 0)

    def test_what_one_worker_left_behind_is_not_sent_as_anothers(self):
        page = self.join("worker", "ada")
        choose_by_key(page, "1")
        page.locator("#change-name").click()
        expect(page.locator("#login")).to_be_visible()
        page.goto(self.server.url(self.invitation("worker", "ben")))
        self.use_invitation(page, "ben")
        self.save(page, "2")
        self.assertEqual(len(self.server.comparisons()), 1)
        self.assertEqual(self.kept_answers(page), 1)

    def test_requester_pauses_a_worker(self):
        self.save(self.join("worker", "ada"), "1")
        page = self.join("requester", "rita")
        page.get_by_role("button", name=re.compile("^Pause: ")).click()
        expect(page.get_by_role("button", name=re.compile("^Let work: "))
               ).to_be_visible()
        [worker] = json.loads(self.server.get("/api/workers"))
        self.assertTrue(worker["paused"])

    def test_requester_logs_out(self):
        page = self.join("requester", "rita")
        expect(page.locator("#logout")).to_have_text("rita · log out")
        page.locator("#logout").click()
        expect(page.locator("#login")).to_be_visible()

    def test_worker_at_the_requesters_page_is_told_by_a_page(self):
        page = self.join("worker", "ada")
        expect(page.locator("#change-name")).to_be_visible()
        page.goto(self.server.url("/requester"))
        expect(page.locator("h1")).to_have_text("This page is not for you")
        self.assert_no_barrier(page, "not for you")


if __name__ == "__main__":
    unittest.main()
