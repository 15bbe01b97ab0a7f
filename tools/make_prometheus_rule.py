#!/usr/bin/env python3
"""Writes deploy/prometheus/alerts.yml as an object of the Prometheus operator.

Kustomize reads no file outside of a kustomization, so Kubernetes has a copy. To
be run after a change of the alerts; a test compares the two.
"""

import pathlib
import textwrap

SOURCE = pathlib.Path(__file__).resolve().parents[1]
RULES = SOURCE / "deploy/prometheus/alerts.yml"
OBJECT = SOURCE / "deploy/kubernetes/components/monitoring/prometheus-rule.yaml"
HEAD = """\
# Written by tools/make_prometheus_rule.py from deploy/prometheus/alerts.yml.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: rlhf
  namespace: rlhf
  labels: {app.kubernetes.io/part-of: rlhf}
spec:
"""


def rule_object():
    """The text of the object."""
    rules = RULES.read_text(encoding="utf-8")
    return HEAD + textwrap.indent(rules[rules.index("groups:"):], "  ")


if __name__ == "__main__":
    OBJECT.write_text(rule_object(), encoding="utf-8")
