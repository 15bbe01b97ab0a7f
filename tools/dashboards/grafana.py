"""A board as Grafana's JSON, in the shape that its dashboard linter wants."""

import json

UNITS = {"number": "none", "count": "short", "ratio": "percentunit",
         "seconds": "s", "bytes": "bytes", "bytes_per_second": "Bps",
         "per_second": "cps", "tokens": "short", "nats": "suffix: nats"}
MATCHERS = ('job=~"$job"', 'instance=~"$instance"')
WINDOW = "$__rate_interval"
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
# Two panels a row of Grafana's 24 columns.
WIDTH, HEIGHT = 12, 8


def _variable(name, query):
    return {"name": name, "label": name, "type": "query", "datasource": SOURCE,
            "query": {"query": query, "refId": name}, "definition": query,
            "refresh": 2, "sort": 1, "multi": True, "includeAll": True,
            "allValue": ".+",
            "current": {"selected": True, "text": "All", "value": "$__all"}}


def _templating():
    return {"list": [
        {"name": "datasource", "label": "Data source", "type": "datasource",
         "query": "prometheus",
         "current": {"selected": False, "text": "default", "value": "default"}},
        _variable("job", "label_values(rlhf_build_info, job)"),
        _variable("instance",
                  'label_values(rlhf_build_info{job=~"$job"}, instance)')]}


def _annotations():
    """A mark where another PM rewards."""
    selector = ",".join([*MATCHERS, 'role="learner"'])
    return {"list": [
        {"name": "PM changed", "enable": True, "iconColor": "purple",
         "datasource": SOURCE, "step": "15s", "titleFormat": "PM changed",
         "expr": f"changes(rlhf_pm_version{{{selector}}}[1m]) > 0"}]}


def _panel(panel, number):
    targets = [{"refId": chr(ord("A") + i), "datasource": SOURCE,
                "expr": query.expanded(MATCHERS, WINDOW),
                "legendFormat": query.legend}
               for i, query in enumerate(panel.queries)]
    defaults = {"unit": UNITS[panel.unit],
                "custom": {"lineWidth": 2, "fillOpacity": 0,
                           "spanNulls": True}}
    if panel.minimum is not None:
        defaults["min"] = panel.minimum
    place = {"x": number % 2 * WIDTH, "y": number // 2 * HEIGHT, "w": WIDTH,
             "h": HEIGHT}
    return {"id": number + 1, "type": "timeseries", "title": panel.title,
            "description": panel.description, "datasource": SOURCE,
            "gridPos": place, "targets": targets,
            "fieldConfig": {"defaults": defaults, "overrides": []},
            "options": {"legend": {"displayMode": "list",
                                   "placement": "bottom"},
                        "tooltip": {"mode": "multi", "sort": "desc"}}}


def dashboard(board):
    """The text of deploy/grafana/NAME.json."""
    return json.dumps({
        "uid": f"rlhf-{board.name}", "title": board.title,
        "description": board.description, "tags": ["rlhf"], "editable": False,
        "schemaVersion": 38, "refresh": "30s", "graphTooltip": 1,
        "time": {"from": "now-3h", "to": "now"}, "timezone": "",
        "links": [{"type": "dashboards", "title": "RLHF", "tags": ["rlhf"],
                   "asDropdown": True, "keepTime": True,
                   "includeVars": True}],
        "templating": _templating(), "annotations": _annotations(),
        "panels": [_panel(panel, i) for i, panel in enumerate(board.panels)],
    }, indent=1, ensure_ascii=False) + "\n"
