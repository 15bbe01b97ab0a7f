"""A board as a page of Prometheus' own consoles, for where there is no Grafana.

The plots are drawn by the scripts that Prometheus carries; a page shows one
job, `?job=NAME` of its address, or all of them.
"""

import html
import json
import re

# What follows a number, and how numbers are written (prom_console.js).
UNITS = {"number": ("", "humanizeNoSmallPrefix"),
         "count": ("", "humanizeNoSmallPrefix"),
         "ratio": ("", "humanizeNoSmallPrefix"),
         "seconds": (" s", "humanizeNoSmallPrefix"),
         "bytes": (" B", "humanize1024"),
         "bytes_per_second": (" B/s", "humanize1024"),
         "per_second": (" /s", "humanizeNoSmallPrefix"),
         "tokens": (" tokens", "humanizeNoSmallPrefix"),
         "nats": (" nats", "humanizeNoSmallPrefix")}
# Fits a scrape every 15 s, as in deploy/prometheus/prometheus.yml.
WINDOW = "1m"
# Filled in by the page's script.
MATCHERS = ('job=~"$job"',)

HEAD = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title}</title>
<link rel="stylesheet" href="{{{{ pathPrefix }}}}/classic/static/rickshaw/rickshaw.min.css">
<link rel="stylesheet" href="{{{{ pathPrefix }}}}/classic/static/bootstrap4/css/bootstrap.min.css">
<link rel="stylesheet" href="{{{{ pathPrefix }}}}/classic/static/css/prom_console.css">
<style>
body {{ margin: 1em; }}
nav a {{ margin-right: 1em; }}
.board {{ display: grid; gap: 1.5em; grid-template-columns: repeat(auto-fill, minmax(30em, 1fr)); }}
.panel h2 {{ font-size: 1.1em; margin: 0; }}
.panel p {{ color: #555; font-size: .85em; margin: .2em 0; min-height: 2.6em; }}
</style>
<script>const PATH_PREFIX = "{{{{ pathPrefix }}}}";</script>
<script src="{{{{ pathPrefix }}}}/classic/static/jquery/jquery.min.js"></script>
<script src="{{{{ pathPrefix }}}}/classic/static/d3/d3.min.js"></script>
<script src="{{{{ pathPrefix }}}}/classic/static/rickshaw/rickshaw.min.js"></script>
<script src="{{{{ pathPrefix }}}}/classic/static/js/prom_console.js"></script>
</head>
<body>
<nav>{links}</nav>
<h1>{title}</h1>
<p>{description} The last <a href="?h=1">1</a>, <a href="?h=3">3</a>,
<a href="?h=24">24</a>, <a href="?h=168">168</a> hours.</p>
<div class="board">
"""
TAIL = """</div>
<script>
const asked = new URLSearchParams(location.search);
const job = (asked.get("job") || ".+").replace(/["\\\\]/g, "");
const duration = 3600 * (Number(asked.get("h")) || 1);
for (const panel of PANELS) {
  new PromConsole.Graph({
    node: document.getElementById(panel.node),
    expr: panel.queries.map(query => query.replaceAll("$job", job)),
    name: panel.legends, duration, height: 200, min: panel.minimum,
    yUnits: panel.suffix,
    yAxisFormatter: PromConsole.NumberFormatter[panel.format],
    yHoverFormatter: PromConsole.NumberFormatter[panel.format],
  });
}
</script>
</body>
</html>
"""


def _script_data(panel, number):
    suffix, form = UNITS[panel.unit]
    return {"node": f"panel{number}", "suffix": suffix, "format": form,
            "minimum": "auto" if panel.minimum is None else panel.minimum,
            "queries": [query.expanded(MATCHERS, WINDOW)
                        for query in panel.queries],
            "legends": [re.sub(r"\{\{(\w+)\}\}", r"[[ \1 ]]", query.legend)
                        for query in panel.queries]}


def page(board, boards):
    """The text of deploy/prometheus/consoles/NAME.html, with links to all."""
    links = "".join(f'<a href="{other.name}.html">{other.title[6:]}</a>'
                    for other in boards)
    parts = [HEAD.format(title=html.escape(board.title), links=links,
                         description=html.escape(board.description))]
    for number, panel in enumerate(board.panels):
        parts.append(f'<div class="panel"><h2>{html.escape(panel.title)}</h2>'
                     f"<p>{html.escape(panel.description)}</p>"
                     f'<div id="panel{number}"></div></div>\n')
    data = [_script_data(panel, i) for i, panel in enumerate(board.panels)]
    lines = ",\n".join(json.dumps(one, ensure_ascii=False) for one in data)
    # Templates of Prometheus begin with two braces; no query has them.
    parts.append(TAIL.replace("const asked", f"const PANELS = [\n{lines}\n];\n"
                              "const asked", 1))
    return "".join(parts)
