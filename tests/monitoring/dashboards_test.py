#!/usr/bin/env python3
"""Dashboards: in step with their description, linted, and of real metrics."""

import copy
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

import dashboard_linter as linter

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / "tools/dashboards"))

import generate  # noqa: E402

METRIC = re.compile(r"\b(?:rlhf|grpc_server|process)_[a-z0-9_]+")
PARTS = re.compile(r"_(?:bucket|sum|count)$")


def documented():
    """What docs/metrics.md names: kind by series."""
    text = (SOURCE / "docs/metrics.md").read_text(encoding="utf-8")
    return dict(re.findall(r"^\| `(\w+)[^|]*\| (\w+) \|", text, re.MULTILINE))


def undocumented(expression):
    """The metrics of a query that docs/metrics.md does not have so."""
    kinds = documented()

    def is_there(name):
        if kinds.get(name) in ("gauge", "counter"):
            return True
        return PARTS.search(name) and kinds.get(PARTS.sub("", name)) == "histogram"

    return [name for name in METRIC.findall(expression) if not is_there(name)]


def dashboards():
    """Every dashboard by name."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8"))
            for path in sorted((SOURCE / "deploy/grafana").glob("*.json"))}


def break_first_panel(dashboard):
    """The same with a first panel that breaks every rule for panels."""
    panel = dashboard["panels"][0]
    panel["datasource"] = {"uid": "mine"}
    panel["description"] = ""
    panel["fieldConfig"]["defaults"].pop("unit")
    panel["targets"] = [{"datasource": {"uid": "mine"}, "expr": ""}]
    dashboard["panels"][1]["targets"][0]["expr"] = (
        "rate(rlhf_ppo_updates_total[5m])")
    dashboard["templating"]["list"] = [
        {"name": "x", "type": "query", "query": {"query": "up"}}]
    return dashboard


class DashboardsTest(unittest.TestCase):

    def test_files_are_what_the_description_says(self):
        self.assertEqual([str(path) for path in generate.stale()], [],
                         "run tools/dashboards/generate.py")
        names = {board.name for board in generate.BOARDS}
        self.assertEqual(set(dashboards()), names)
        consoles = (SOURCE / "deploy/prometheus/consoles").glob("*.html")
        self.assertEqual({path.stem for path in consoles}, names)

    def test_every_rule_of_the_linter_holds(self):
        self.assertEqual(len(linter.RULES), 11)
        for name, dashboard in dashboards().items():
            for rule in linter.RULES:
                with self.subTest(dashboard=name, rule=rule.__name__):
                    self.assertEqual(list(rule(dashboard)), [])

    def test_every_rule_of_the_linter_can_fail(self):
        broken = break_first_panel(copy.deepcopy(dashboards()["loop"]))
        for rule in linter.RULES:
            with self.subTest(rule=rule.__name__):
                self.assertNotEqual(list(rule(broken)), [])

    def test_promtool_reads_every_query(self):
        rules = [{"record": f"q:{i}",
                  "expr": query.expanded(('job=~".+"',), "1m")}
                 for i, query in enumerate(
                     query for board in generate.BOARDS
                     for panel in board.panels for query in panel.queries)]
        with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
            json.dump({"groups": [{"name": "queries", "rules": rules}]}, file)
            file.flush()
            done = subprocess.run(["promtool", "check", "rules", file.name],
                                  capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_queries_and_alerts_name_only_documented_metrics(self):
        self.assertEqual(undocumented("rate(rlhf_nothing_total[1m])"),
                         ["rlhf_nothing_total"])
        self.assertEqual(undocumented("rlhf_reward_mean_bucket"),
                         ["rlhf_reward_mean_bucket"])
        for board in generate.BOARDS:
            for panel in board.panels:
                for query in panel.queries:
                    with self.subTest(board=board.name, panel=panel.title):
                        self.assertEqual(undocumented(query.expression), [])
        alerts = (SOURCE / "deploy/prometheus/alerts.yml").read_text()
        self.assertEqual(undocumented(alerts), [])

    def test_alerts_that_the_dictionary_names_have_runbooks(self):
        text = (SOURCE / "docs/metrics.md").read_text(encoding="utf-8")
        for name in re.findall(r"\bRlhf[A-Z]\w+", text):
            with self.subTest(alert=name):
                self.assertTrue(
                    (SOURCE / f"docs/runbooks/{name}.md").exists())

    def test_units_are_known_to_grafana_and_console(self):
        self.assertEqual(set(generate.grafana.UNITS),
                         set(generate.console.UNITS))


if __name__ == "__main__":
    unittest.main()
