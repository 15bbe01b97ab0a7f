"""A feedback service and a browser that looks at it, for the tests of pages."""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import time
import unittest
import urllib.parse
import urllib.request

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect, sync_playwright

WAIT_MS = 20_000
PHONE = {"viewport": {"width": 360, "height": 740}, "device_scale_factor": 2,
         "has_touch": True, "is_mobile": True}


class PageServer:
    """tests/page/page_server.cc, with a run directory of its own."""

    def __init__(self, scenario):
        self._dir = tempfile.TemporaryDirectory(prefix="rlhf-page-")
        self._scenario = pathlib.Path(self._dir.name, "scenario.json")
        self._scenario.write_text(json.dumps(scenario), encoding="utf-8")
        self.run = pathlib.Path(self._dir.name, "page")
        self.port = 0
        self.process = None
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [os.environ["PAGE_SERVER"], self._dir.name, str(self._scenario),
             str(self.port)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if not line.startswith("port "):
            raise RuntimeError(f"page_server said {line!r}")
        self.port = int(line.split()[1])

    def kill(self):
        self.process.kill()
        self.process.communicate()

    def close(self):
        if self.process.poll() is None:
            self.process.communicate("")
        self._dir.cleanup()

    def url(self, path="/"):
        return f"http://127.0.0.1:{self.port}{path}"

    def _headers(self):
        """Those of whoever runs the service, if one must log in."""
        token = self.run / "feedback" / "operator.token"
        if not token.exists():
            return {}
        return {"Authorization": f"Bearer {token.read_text().strip()}"}

    def get(self, path):
        request = urllib.request.Request(self.url(path),
                                         headers=self._headers())
        with urllib.request.urlopen(request, timeout=20) as reply:
            return reply.read().decode()

    def post(self, path, body):
        request = urllib.request.Request(
            self.url(path), json.dumps(body).encode(),
            {"Content-Type": "application/json", **self._headers()})
        with urllib.request.urlopen(request, timeout=20) as reply:
            text = reply.read().decode()
            return json.loads(text) if text else None

    def comparisons(self):
        """The log, oldest first."""
        reply = json.loads(self.get("/api/comparisons?last=100"))
        return list(reversed(reply["comparisons"]))


class PageCase(unittest.TestCase):
    """Every test fails if its page opens a dialog, asks another site for
    anything, throws, or is stopped by the content security policy."""

    @classmethod
    def setUpClass(cls):
        cls.playwright = sync_playwright().start()
        cls.browser = cls.playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=["--no-sandbox", "--disable-gpu"])
        expect.set_options(timeout=WAIT_MS)

    @classmethod
    def tearDownClass(cls):
        cls.browser.close()
        cls.playwright.stop()

    def open(self, scenario, path="/", worker="ada", **context):
        """A server for `scenario`, and a page of it where `worker` works."""
        self.server = PageServer(scenario)
        self.addCleanup(self.server.close)
        return self.browse(path, worker, **context)

    def browse(self, path="/", worker="ada", **context):
        self.faults = []
        self.dialog_answers = []
        self.context = self.browser.new_context(**context)
        self.addCleanup(self.context.close)
        if worker:
            self.context.add_init_script(
                "localStorage.getItem('worker') ?? localStorage.setItem("
                f"'worker', {json.dumps(json.dumps(worker))})")
        page = self.context.new_page()
        page.set_default_timeout(WAIT_MS)
        self.watch(page)
        # Requests that are still out when a test ends are nobody's fault.
        self.addCleanup(page.unroute_all, behavior="ignoreErrors")
        page.goto(self.server.url(path))
        return page

    def watch(self, page):
        # A test may start another server while this page is open.
        own = f"127.0.0.1:{self.server.port}"

        def on_dialog(dialog):
            # What a test means to answer, in order; any other is a fault.
            if self.dialog_answers:
                dialog.accept(self.dialog_answers.pop(0))
                return
            self.faults.append(f"dialog: {dialog.message}")
            dialog.dismiss()

        def on_request(request):
            host = urllib.parse.urlsplit(request.url).netloc
            if host != own:
                self.faults.append(f"foreign request: {request.url}")

        def on_console(message):
            if "Content Security Policy" in message.text:
                self.faults.append(message.text)

        page.on("dialog", on_dialog)
        page.on("request", on_request)
        page.on("console", on_console)
        page.on("pageerror", lambda error: self.faults.append(str(error)))

    def tearDown(self):
        self.assertEqual(getattr(self, "faults", []), [])

    def assert_no_barrier(self, page, what):
        """axe finds nothing serious."""
        found = [violation for violation in Axe().run(page).response["violations"]
                 if violation["impact"] in ("serious", "critical")]
        self.assertEqual(
            [(v["id"], [n["html"][:200] for n in v["nodes"]]) for v in found],
            [], what)

    def assert_fits(self, page, what):
        """Nothing sticks out to the side."""
        width, seen = page.evaluate(
            "[document.documentElement.scrollWidth, innerWidth]")
        self.assertLessEqual(width, seen, what)


def question(text):
    return {"prompt": text}


def reply_with(data):
    """For page.route: answers every request with `data` as JSON."""
    return lambda route: route.fulfill(json=data)


def make_red_team(page):
    """Every task of `page` is a red-team task."""
    def handle(route):
        reply = route.fetch()
        task = {**reply.json(), "kind": "red_team"} if reply.body() else None
        route.fulfill(response=reply, **({"json": task} if task else {}))

    page.route("**/api/task", handle)


def sign_in(page, name="ada"):
    expect(page.locator("#worker-name")).to_be_focused()
    page.keyboard.type(name)
    page.keyboard.press("Enter")


def wait_until(page, expression, seconds=20):
    """Waits until JavaScript says so. page.wait_for_function may have to eval,
    which the page's policy forbids."""
    deadline = time.monotonic() + seconds
    while not page.evaluate(expression):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {expression}")
        page.wait_for_timeout(50)


def choose_by_key(page, key):
    """Answers the task on screen; the answer is held then."""
    expect(page.locator("#judgement")).to_be_visible()
    page.keyboard.press(key)
    page.keyboard.press("Enter")
    expect(page.locator("#held")).to_be_visible()
