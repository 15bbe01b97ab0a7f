#!/usr/bin/env python3
"""Alert rules: each fires when it should, alone, and has a runbook."""

import json
import pathlib
import re
import subprocess
import tempfile
import unittest

from alert_cases import CASES, LONG, LONG_STEP, series

SOURCE = pathlib.Path(__file__).resolve().parents[2]
PROMETHEUS = SOURCE / "deploy/prometheus"
RULES = PROMETHEUS / "alerts.yml"
FIRING = 'count by (alertname, severity) (ALERTS{alertstate="firing"})'


def promtool(*words):
    """Fails with what promtool says, unless all is well."""
    done = subprocess.run(["promtool", *map(str, words)], capture_output=True,
                          text=True, check=False)
    if done.returncode != 0:
        raise AssertionError(done.stdout + done.stderr)


def group(case, inputs, fires):
    """One test as promtool reads it."""
    expected = [{"labels": f'{{alertname="{case.alert}",severity="{severity}"}}',
                 "value": 1} for severity in (case.severities if fires else ())]
    return {"name": f"{case.alert} {'fires' if fires else 'is quiet'}",
            "interval": "1m",
            "input_series": [{"series": series(name), "values": values}
                             for name, values in inputs.items()],
            "promql_expr_test": [{"expr": FIRING, "eval_time": f"{case.at}m",
                                  "exp_samples": expected}]}


class AlertsTest(unittest.TestCase):

    def setUp(self):
        text = RULES.read_text(encoding="utf-8")
        self.names = re.findall(r"alert: (\w+)", text)
        self.runbooks = re.findall(r"runbook_url: (\S+)", text)

    def test_rules_and_configurations_are_what_prometheus_reads(self):
        promtool("check", "rules", RULES)
        promtool("check", "config", PROMETHEUS / "prometheus.yml")

    def test_only_a_dead_learner_mutes_what_follows_from_it(self):
        text = (PROMETHEUS / "alertmanager.yml").read_text(encoding="utf-8")
        self.assertEqual(
            re.findall(r"source_matchers: (.*)", text),
            ['[alertname="RlhfTargetDown", role="learner"]'])

    def test_each_alert_has_a_case(self):
        self.assertEqual(set(self.names), {case.alert for case in CASES})

    def test_each_fires_alone_and_stays_quiet_when_it_should(self):
        short = [case for case in CASES if case.at <= LONG]
        long = [case for case in CASES if case.at > LONG]
        self.assertFalse([case for case in long if case.at % LONG_STEP])
        for cases, step in (short, 1), (long, LONG_STEP):
            tests = [group(case, case.fires, True) for case in cases]
            tests += [group(case, case.quiet, False) for case in cases]
            with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
                # JSON is YAML.
                json.dump({"rule_files": [str(RULES)],
                           "evaluation_interval": f"{step}m", "tests": tests},
                          file)
                file.flush()
                promtool("test", "rules", file.name)

    def test_each_alert_has_its_runbook_and_each_runbook_its_alert(self):
        self.assertEqual(len(self.runbooks), len(self.names))
        for name, runbook in zip(self.names, self.runbooks):
            self.assertEqual(runbook, f"docs/runbooks/{name}.md")
        present = {path.stem for path in (SOURCE / "docs/runbooks").glob("*.md")}
        self.assertEqual(present, set(self.names))

    def test_runbooks_say_what_it_means_where_to_look_and_what_to_do(self):
        for name in sorted(set(self.names)):
            text = (SOURCE / f"docs/runbooks/{name}.md").read_text(
                encoding="utf-8")
            with self.subTest(runbook=name):
                self.assertTrue(text.startswith(f"# {name}\n"))
                headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
                self.assertEqual(headings,
                                 ["What it means", "Look here", "Do this"])


if __name__ == "__main__":
    unittest.main()
