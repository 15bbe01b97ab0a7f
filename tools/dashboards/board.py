"""What a dashboard shows, apart from how Grafana or a console page draws it.

A query is PromQL with two abbreviations, so that no panel can forget them:
`{learner}` are the series of that role in the chosen run, `{any}` those of all
its processes; `[rate]` is a window that fits the scrape interval.
"""

import dataclasses
import re

ROLES = ("up", "learner", "actor", "reward-server", "refresher", "feedback",
         "crowd")
_SELECTOR = re.compile(r"\{(any|" + "|".join(ROLES) + r")(?=[,}])")


@dataclasses.dataclass(frozen=True)
class Query:
    expression: str
    # As Grafana writes it, {{label}} standing for a label's value.
    legend: str

    def expanded(self, matchers, window):
        """PromQL; `matchers` say which run, `window` how far rates look back."""

        def selector(match):
            role = match.group(1)
            own = [] if role == "any" else [f'role="{role}"']
            return "{" + ",".join([*matchers, *own])

        text = _SELECTOR.sub(selector, self.expression)
        # A role that stands alone among no matchers leaves "{," behind.
        return text.replace("{,", "{").replace("[rate]", f"[{window}]")


@dataclasses.dataclass(frozen=True)
class Panel:
    title: str
    description: str
    # A key of grafana.UNITS.
    unit: str
    queries: tuple
    # Where the axis begins; None: at the lowest value.
    minimum: float | None = 0


@dataclasses.dataclass(frozen=True)
class Board:
    # Of its files, and the end of Grafana's uid.
    name: str
    title: str
    description: str
    panels: tuple


def panel(title, description, unit, *queries, minimum=0):
    """A panel; each query a pair (PromQL, legend) or a Query."""
    made = tuple(q if isinstance(q, Query) else Query(*q) for q in queries)
    return Panel(title, description, unit, made, minimum)


def quantiles(histogram, selector, *percents):
    """One query for each percentile of a histogram, over the chosen processes."""
    return [Query(f"histogram_quantile({percent / 100:g}, sum by (le) "
                  f"(rate({histogram}_bucket{selector}[rate])))",
                  f"p{percent}") for percent in percents]


def mean(histogram, selector, legend="mean"):
    """The mean of what a histogram saw; not for values below zero."""
    return Query(f"sum(rate({histogram}_sum{selector}[rate])) / "
                 f"sum(rate({histogram}_count{selector}[rate]))", legend)


def rates(counter, selector, label, per="s"):
    """A counter's growth in a second, or in an hour, by one label."""
    factor = {"s": "", "h": " * 3600"}[per]
    return Query(f"sum by ({label}) (rate({counter}{selector}[rate])){factor}",
                 "{{" + label + "}}")
