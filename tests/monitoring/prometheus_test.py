#!/usr/bin/env python3
"""A real Prometheus beside a real run on small models: every query of the
dashboards has data, every series is documented, and a fault reaches people.
"""

import contextlib
import pathlib
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(SOURCE / "tests/live"), str(SOURCE / "tools/dashboards")]

import generate  # noqa: E402
from dashboards_test import documented  # noqa: E402
from live_run import LiveRun, free_ports, wait_until  # noqa: E402
from watchers import Alertmanager, Prometheus, Webhook  # noqa: E402

# What has no value until something happens that this run does not have: a PM
# of several members, golds answered, two workers on one task.
NEEDS_EVENT = {("loop", "Reward by member"), ("people", "Wrong on golds"),
               ("people", "Agreement")}
EVENT_SERIES = {"rlhf_pm_member_reward_anchored_mean"}
# A scrape a second: a run of a minute has rates too.
WINDOW = "10s"
KILLS = 5


class PrometheusTest(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        with contextlib.ExitStack() as stack:
            folder = pathlib.Path(
                stack.enter_context(tempfile.TemporaryDirectory()))
            cls.run_ = LiveRun(folder)
            own_port, alerts_port = free_ports(2)
            cls.webhook = Webhook()
            stack.callback(cls.webhook.stop)
            alertmanager = Alertmanager(folder, alerts_port, cls.webhook.port)
            stack.callback(alertmanager.stop)
            cls.prometheus = Prometheus(folder, cls.run_, own_port, alerts_port)
            stack.callback(cls.prometheus.stop)
            stack.callback(cls.run_.stop)
            cls.run_.start("learner.checkpoint_every=2")
            wait_until(cls.has_seen_enough, "updates under a first PM, scraped",
                       120)
            cls.addClassCleanup(stack.pop_all().close)

    @classmethod
    def has_seen_enough(cls):
        """All targets answer, and the loop has turned some times."""
        return (len(cls.run_.updates()) >= 6 and cls.prometheus.up() == 7 and
                any(float(value) >= 5 for value in cls.prometheus.values(
                    "rlhf_ppo_updates_total")))

    def test_every_query_has_data(self):
        for board in generate.BOARDS:
            for panel in board.panels:
                if (board.name, panel.title) in NEEDS_EVENT:
                    continue
                for query in panel.queries:
                    expression = query.expanded(
                        ('job=~"rlhf"', 'instance=~".+"'), WINDOW)
                    with self.subTest(board=board.name, panel=panel.title,
                                      query=expression):
                        # The actors may just have been ended by the test of
                        # the fault: a rate needs two scrapes and a rollout.
                        wait_until(lambda: self.prometheus.values(expression),
                                   "data", 60)

    def test_what_is_served_is_what_the_dictionary_says(self):
        served = {name: about[0]["type"] for name, about in
                  self.prometheus.ask("metadata").items()}
        expected = {name: kind for name, kind in documented().items()
                    if name not in EVENT_SERIES}
        self.assertEqual(served, expected)

    def test_console_pages_are_served(self):
        for board in generate.BOARDS:
            page = self.prometheus.get(f"/consoles/{board.name}.html")
            self.assertIn(f"<h1>{board.title}</h1>", page)
            self.assertIn('const PATH_PREFIX = "', page)
            self.assertNotIn("{{", page)

    def test_a_fault_reaches_the_webhook(self):
        for _ in range(KILLS):
            done = len(self.run_.updates())
            wait_until(lambda: self.run_.kill("actor"), "an actor", 40)
            wait_until(lambda: len(self.run_.updates()) > done + 1,
                       "an update after the kill", 40)

        def told():
            return [alert for alert in self.webhook.alerts
                    if alert["labels"]["alertname"] == "RlhfRestartLoop"]

        wait_until(told, "the alert at the webhook", 40)
        alert = told()[0]
        self.assertEqual(alert["labels"]["component"], "actor")
        self.assertEqual(alert["labels"]["severity"], "critical")
        self.assertEqual(alert["status"], "firing")
        runbook = SOURCE / alert["annotations"]["runbook_url"]
        self.assertTrue(runbook.exists())


if __name__ == "__main__":
    unittest.main()
