"""Writes the pictures of docs/labelling.md; no test. `make screenshots`."""

import json
import pathlib

from playwright.sync_api import expect

import page_case
import requester_data
from page_case import choose_by_key, make_red_team, sign_in

OUT = pathlib.Path(__file__).resolve().parents[2] / "docs" / "images"
WIDE = {"viewport": {"width": 1280, "height": 960}}

BREAD = [
    "My sourdough never rises much. What could be wrong?",
    "Most often the starter is not active enough, or the dough is too cold. How "
    "long does yours take to double after you feed it?",
    "About ten hours, at 19 °C.",
]
BREAD_ANSWERS = [
    "Ten hours is slow: a starter that is ready for bread doubles in four to six. "
    "Two things would help:\n\n"
    "1. Keep it warmer, at 24 to 26 °C. An oven with only its light on does.\n"
    "2. Feed it twice a day for three days, 1 part starter to 1 part flour and 1 "
    "part water, until it doubles in six hours or less.\n\n"
    "Bake when it is at its highest, not after it has fallen.",
    "You could try adding some commercial yeast to your dough, which will make it "
    "rise faster. Sourdough is difficult, and many bakers use yeast as well. You "
    "can also buy a new starter online. Make sure that you use good flour.",
]
ARABIC = ["كيف أحفظ الخبز طازجًا لأيام؟"]
ARABIC_ANSWERS = [
    "لفّه في قماش نظيف وضعه في مكان جاف بعيد عن الشمس، ولا تضعه في الثلاجة لأنها "
    "تسرّع جفافه. وإن كان لديك أكثر مما تأكل في يومين، فقطّعه وجمّده، ثم سخّن كل "
    "قطعة عند الحاجة.",
    "ضعه في الثلاجة.",
]


def scenario(messages, answers):
    roles = ["user", "assistant"] * len(messages)
    prompt = {"messages": [{"role": role, "content": text}
                           for role, text in zip(roles, messages)]}
    return {"prompts": [prompt], "answers": {messages[-1]: answers},
            "max_comparisons": 96}


class Screenshots(page_case.PageCase):

    def shoot(self, page, name, full_page=False):
        page.evaluate("document.activeElement.blur()")
        page.screenshot(path=OUT / f"{name}.png", full_page=full_page)

    def better(self, page, key):
        """The key of the better answer that is `key` if it is on the left."""
        expect(page.locator("#judgement")).to_be_visible()
        left = page.locator("#answer-a").text_content()
        return key if left == BREAD_ANSWERS[0] else str(8 - int(key))

    def test_worker(self):
        for scheme in ("light", "dark"):
            page = self.open(scenario(BREAD, BREAD_ANSWERS),
                             color_scheme=scheme, **WIDE)
            expect(page.locator("#judgement")).to_be_visible()
            expect(page.locator("#own-count")).to_have_text("You: 0")
            page.keyboard.press(self.better(page, "1"))
            self.shoot(page, f"labelling-{scheme}")
        page.keyboard.press("Enter")
        expect(page.locator("#held")).to_be_visible()
        self.shoot(page, "labelling-held-dark")

    def test_held(self):
        page = self.open(scenario(BREAD, BREAD_ANSWERS), **WIDE)
        choose_by_key(page, self.better(page, "1"))
        page.keyboard.press("t")
        page.keyboard.type("And what if I only have rye flour?")
        self.shoot(page, "labelling-held")

    def test_phone(self):
        page = self.open(scenario(BREAD, BREAD_ANSWERS), **page_case.PHONE)
        expect(page.locator("#judgement")).to_be_visible()
        page.locator(".choice", has=page.locator(
            "#choice-" + self.better(page, "2"))).tap()
        self.shoot(page, "labelling-phone", full_page=True)

    def test_arabic(self):
        page = self.open(scenario(ARABIC, ARABIC_ANSWERS), worker="ليلى",
                         **WIDE)
        expect(page.locator("#judgement")).to_be_visible()
        self.shoot(page, "labelling-arabic")

    def test_red_team(self):
        self.server = page_case.PageServer(scenario(BREAD, BREAD_ANSWERS))
        self.addCleanup(self.server.close)
        page = self.browse(worker=None, **WIDE)
        make_red_team(page)
        sign_in(page)
        expect(page.locator("#judgement")).to_be_visible()
        self.shoot(page, "labelling-red-team")

    def test_requester(self):
        self.server = page_case.PageServer(scenario(BREAD, BREAD_ANSWERS))
        self.addCleanup(self.server.close)
        for i in range(23):
            worker = ("ada", "بدر", "cyd")[i % 3]
            task = None
            while task is None:
                task = self.server.post("/api/task", {"worker_id": worker})
            self.server.post("/api/comparison", {
                "task_id": task["task_id"], "comparison_id": f"c{i}",
                "worker_id": worker, "seconds": 10 + 7 * (i % 5),
                "choice": ["left_better", "right_better"][i * 7 % 5 % 2],
                "strength": 1 + i % 3})
        (self.server.run / "pms.jsonl").write_text(
            "".join(json.dumps(pm) + "\n" for pm in requester_data.PMS))
        for scheme in ("light", "dark"):
            page = self.browse("/requester", color_scheme=scheme, **WIDE)
            requester_data.serve_made_up(page)
            page.reload()
            expect(page.locator("#samples-body > details")).to_have_count(20)
            page.locator("#samples-body summary").first.click()
            self.shoot(page, f"requester-{scheme}", full_page=True)


if __name__ == "__main__":
    import unittest
    OUT.mkdir(exist_ok=True)
    unittest.main()
