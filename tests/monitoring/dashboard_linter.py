"""The rules of Grafana's dashboard linter, as far as they are about Prometheus
(https://github.com/grafana/dashboard-linter): each is a function that yields
what is wrong with a dashboard. That a query parses is left to promtool.
"""

import re

SELECTOR = re.compile(r"\b(?:rlhf|grpc_server|process)_\w+(\{[^}]*\})?|\bup(\{[^}]*\})?")
RATE = re.compile(r"\b(?:rate|irate)\(.*?\[([^\]]*)\]")


def variables(dashboard):
    """The templated variables by name."""
    return {v["name"]: v for v in dashboard["templating"]["list"]}


def targets(dashboard):
    """Pairs of a panel's title and one query's text."""
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]


def template_datasource(dashboard):
    """The data source is a variable of kind Prometheus."""
    found = variables(dashboard).get("datasource", {})
    if (found.get("type"), found.get("query")) != ("datasource", "prometheus"):
        yield "no variable `datasource` of Prometheus"


def _template_label(dashboard, name):
    found = variables(dashboard).get(name, {})
    wanted = {"type": "query", "multi": True, "allValue": ".+", "label": name}
    for key, value in wanted.items():
        if found.get(key) != value:
            yield f"variable `{name}`: {key} is {found.get(key)}, not {value}"
    if found.get("datasource", {}).get("uid") != "${datasource}":
        yield f"variable `{name}`: another data source"


def template_job(dashboard):
    """The job is a variable."""
    yield from _template_label(dashboard, "job")


def template_instance(dashboard):
    """The instance is a variable."""
    yield from _template_label(dashboard, "instance")


def template_label_promql(dashboard):
    """Variables ask label_values of a selector."""
    for name, variable in variables(dashboard).items():
        text = variable["query"]
        if variable["type"] == "query" and not re.fullmatch(
                r"label_values\(\w+(\{\w+=~?\"[^\"]*\"\})?, \w+\)",
                text["query"]):
            yield f"variable `{name}`: {text['query']}"


def panel_datasource(dashboard):
    """Panels and their queries use the variable."""
    for panel in dashboard["panels"]:
        for one in [panel, *panel["targets"]]:
            if one["datasource"]["uid"] != "${datasource}":
                yield f"{panel['title']}: another data source"


def panel_title_description(dashboard):
    """Panels have both."""
    for panel in dashboard["panels"]:
        if not panel.get("title") or not panel.get("description"):
            yield f"panel {panel['id']}: no title or no description"


def panel_units(dashboard):
    """Panels have a unit."""
    for panel in dashboard["panels"]:
        if not panel["fieldConfig"]["defaults"].get("unit"):
            yield f"{panel['title']}: no unit"


def panel_no_targets(dashboard):
    """Panels ask something."""
    for panel in dashboard["panels"]:
        if not any(target.get("expr") for target in panel["targets"]):
            yield f"{panel['title']}: no query"


def target_rate_interval(dashboard):
    """A rate looks back as far as Grafana says."""
    for title, expression in targets(dashboard):
        for window in RATE.findall(expression):
            if window != "$__rate_interval":
                yield f"{title}: a rate over {window}"


def _target_label(dashboard, name):
    for title, expression in targets(dashboard):
        for match in SELECTOR.finditer(expression):
            if f'{name}=~"${name}"' not in match.group(0):
                yield f"{title}: {match.group(0)} of any {name}"


def target_job(dashboard):
    """Every selector is of the chosen job."""
    yield from _target_label(dashboard, "job")


def target_instance(dashboard):
    """Every selector is of the chosen instances."""
    yield from _target_label(dashboard, "instance")


RULES = (template_datasource, template_job, template_instance,
         template_label_promql, panel_datasource, panel_title_description,
         panel_units, panel_no_targets, target_rate_interval, target_job,
         target_instance)
