"""What the requester's page promises."""

import json
import unittest

from playwright.sync_api import expect

import page_case
import requester_data

SCENARIO = {"prompts": [{"prompt": f"Tell me about {what}."}
                        for what in ("cats", "dogs", "birds", "fish")],
            "max_comparisons": 20}


class RequesterTest(page_case.PageCase):

    def work(self, count):
        """`count` answers of two workers."""
        for i in range(count):
            worker = ("ada", "ben")[i % 2]
            task = self.server.post("/api/task", {"worker_id": worker})
            while task is None:
                task = self.server.post("/api/task", {"worker_id": worker})
            self.server.post("/api/comparison", {
                "task_id": task["task_id"], "comparison_id": f"{worker}{i}-"
                + task["task_id"], "worker_id": worker, "seconds": 12.5,
                "choice": "left_better", "strength": 2})

    def start(self, **context):
        self.server = page_case.PageServer(SCENARIO)
        self.addCleanup(self.server.close)
        self.work(6)
        pms = self.server.run / "pms.jsonl"
        pms.write_text("".join(json.dumps(pm) + "\n"
                               for pm in requester_data.PMS))
        return self.browse("/requester", **context)

    def test_what_the_run_has_is_shown(self):
        page = self.start()
        labels = page.locator("#labels-body")
        expect(labels).to_contain_text("6of 20")
        expect(labels).to_contain_text("100.0 %of decided answers")
        expect(labels).to_contain_text("0.72at 0.12 an answer")
        expect(page.locator("#rate-body")).to_contain_text(
            "6 answers in the last hour")
        rows = page.locator("#models-body tbody tr")
        expect(rows).to_have_count(3)
        expect(rows.first).to_contain_text("v3")
        expect(rows.first).to_contain_text("refused")
        expect(page.locator("#samples-body > details")).to_have_count(6)
        page.locator("#samples-body summary").first.click()
        expect(page.locator(".sample").first).to_contain_text("answer to:")

    def test_without_logins_there_is_nothing_to_log_out_of(self):
        page = self.start()
        expect(page.locator("#labels-body")).to_contain_text("6of 20")
        expect(page.locator("#logout")).to_be_hidden()

    def test_what_the_server_lacks_is_said(self):
        page = self.start()
        page.route("**/api/workers", lambda route: route.fulfill(
            status=404, json={"error": "there is no GET /api/workers"}))
        page.reload()
        expect(page.locator("#workers-body")).to_have_text(
            "Not available on this server.")

    def test_workers_can_be_paused(self):
        page = self.start()
        requester_data.serve_made_up(page)
        paused = []

        def pause(route):
            paused.append(route.request.post_data_json)
            route.fulfill(json={})

        page.route("**/api/workers/pause", pause)
        page.reload()
        page.get_by_role("button", name="Pause: ada").click()
        page.get_by_role("button", name="Let work: cyd").click()
        expect(page.locator("#workers tbody tr")).to_have_count(3)
        self.assertEqual(paused, [{"worker_id": "ada", "paused": True},
                                  {"worker_id": "cyd", "paused": False}])

    def test_quarantined_batches_are_decided_with_a_reason(self):
        page = self.start()
        requester_data.serve_made_up(page)
        decided = []

        def decide(route):
            decided.append((route.request.url.split("/api/")[1],
                            route.request.post_data_json))
            route.fulfill(json={})

        page.route("**/api/batches/**", decide)
        page.reload()
        expect(page.get_by_role("button", name="Release: ")).to_have_count(1)
        expect(page.locator('#batches td[data-head="Comparisons"]')).to_have_text(
            ["340", "1200", "56"])
        self.dialog_answers += [""]
        release = page.get_by_role("button", name="Release: ")
        release.click()
        expect(release).to_be_enabled()
        self.assertEqual(decided, [], "no reason, no decision")
        self.dialog_answers += ["the people are right", "rita"]
        with page.expect_request("**/refuse"):
            page.get_by_role("button", name="Refuse: ").click()
        expect(page.locator("#batches tbody th")).to_have_count(3)
        self.assertEqual(decided, [
            ("batches/2026-11-27%2F3/refuse",
             {"by": "rita", "reason": "the people are right"})])

    def test_policies_are_rated_or_it_is_said_why_not(self):
        page = self.start()
        expect(page.locator("#elo-body")).not_to_be_empty()
        requester_data.serve_made_up(page)
        page.reload()
        rows = page.locator("#elo-body tbody tr")
        expect(rows).to_have_count(3)
        expect(rows.first).to_contain_text("above: it won")
        expect(rows.nth(1)).to_contain_text("+191 [+67, +315]")
        expect(rows.last).to_contain_text("v0")
        expect(page.locator("#elo-body")).to_contain_text("43 decided, 3 not")

    def test_older_batches_are_asked_for(self):
        page = self.start()
        requester_data.serve_made_up(page)
        page.route("**/api/batches", requester_data.reply_with(
            {**requester_data.BATCHES, "has_more": True}))
        page.route("**/api/batches?limit=200", requester_data.reply_with(
            {**requester_data.BATCHES, "has_more": False}))
        page.reload()
        older = page.get_by_role("button", name="Show older batches")
        with page.expect_request("**/api/batches?limit=200"):
            older.click()
        expect(older).to_have_count(0)
        expect(page.locator("#batches tbody th")).to_have_count(3)

    def test_what_is_open_stays_open_when_labels_come(self):
        page = self.start()
        page.clock.install()
        page.reload()
        first = page.locator("details[data-key='sample 6']")
        first.locator("summary").click()
        self.work(1)
        page.clock.fast_forward(6_000)
        expect(page.locator("details[data-key='sample 7']")).to_be_visible()
        expect(first).to_have_attribute("open", "")
        expect(first.locator("summary")).to_be_focused()

    def test_lost_connection_is_told_and_forgotten(self):
        page = self.start()
        page.clock.install()
        page.reload()
        expect(page.locator("#samples-body > details")).to_have_count(6)
        self.context.set_offline(True)
        page.clock.fast_forward(6_000)
        expect(page.locator("#state")).to_have_text(
            "The server cannot be reached")
        self.context.set_offline(False)
        page.clock.fast_forward(6_000)
        expect(page.locator("#state")).to_have_text("")
        expect(page.locator("#samples-body > details")).to_have_count(6)

    def test_export_is_a_file(self):
        page = self.start()
        with page.expect_download() as download:
            page.get_by_role("link", name="Every field").click()
        self.assertEqual(download.value.suggested_filename,
                         "comparisons.jsonl")
        lines = download.value.path().read_text().splitlines()
        self.assertEqual(len(lines), 6)
        self.assertEqual(json.loads(lines[0])["choice"][1:], "_BETTER")

    def test_axe_finds_no_serious_barrier_and_nothing_sticks_out(self):
        for name, context in (
                ("light", {"color_scheme": "light"}),
                ("dark", {"color_scheme": "dark"}),
                ("phone", page_case.PHONE),
                ("zoom", {"viewport": {"width": 640, "height": 400}})):
            page = self.start(**context)
            requester_data.serve_made_up(page)
            page.reload()
            expect(page.locator("#workers tbody tr")).to_have_count(3)
            expect(page.locator("#samples-body > details")).to_have_count(6)
            page.evaluate("document.querySelectorAll('details').forEach("
                          "one => { one.open = true; })")
            self.assert_no_barrier(page, name)
            self.assert_fits(page, name)


if __name__ == "__main__":
    unittest.main()
