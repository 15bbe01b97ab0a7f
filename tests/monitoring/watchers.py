"""Prometheus and Alertmanager, as deploy/ starts them, beside a live run."""

import http.server
import json
import pathlib
import re
import shutil
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

SOURCE = pathlib.Path(__file__).resolve().parents[2]
DEPLOY = SOURCE / "deploy/prometheus"
# Port of the run by default -> name in LiveRun.names.
PORTS = {7200: "up_metrics", 7201: "learner_metrics", 7202: "actor_metrics",
         7203: "rewards_metrics", 7204: "refresher_metrics",
         7206: "crowd_metrics", 7180: "page"}


def _program(name):
    path = shutil.which(name)
    if path is None:
        raise RuntimeError(f"{name} is missing: make setup installs it")
    return path


def write_configuration(folder, run, alertmanager_port):
    """deploy/'s, for this run and this Alertmanager, with a scrape a second."""
    text = (DEPLOY / "prometheus.yml").read_text()
    text = text.replace("15s", "1s").replace(":9093", f":{alertmanager_port}")
    text = text.replace("alerts.yml", str(DEPLOY / "alerts.yml"))
    (folder / "prometheus.yml").write_text(text)
    targets = (DEPLOY / "targets.yml").read_text()
    for port, name in PORTS.items():
        own = str(run.names[name]).rpartition(":")[2]
        targets = targets.replace(f":{port}\"", f":{own}\"")
    (folder / "targets.yml").write_text(targets)


class Prometheus:
    """Scrapes `run` into `folder` until it is stopped."""

    def __init__(self, folder, run, port, alertmanager_port):
        self.port = port
        self.began = time.time()
        write_configuration(folder, run, alertmanager_port)
        with open(folder / "prometheus.log", "wb") as log:
            self._process = subprocess.Popen(
                [_program("prometheus"),
                 f"--config.file={folder}/prometheus.yml",
                 f"--storage.tsdb.path={folder}/tsdb",
                 f"--web.console.templates={DEPLOY}/consoles",
                 f"--web.listen-address=127.0.0.1:{port}"],
                stdout=log, stderr=log)

    def get(self, path, **arguments):
        """The text of a page; "" while it does not answer."""
        url = f"http://127.0.0.1:{self.port}{path}"
        if arguments:
            url += "?" + urllib.parse.urlencode(arguments)
        try:
            with urllib.request.urlopen(url, timeout=10) as reply:
                return reply.read().decode()
        except urllib.error.HTTPError as error:
            if error.code == 503:  # it is starting
                return ""
            raise RuntimeError(f"{url}: {error.read().decode()}") from error
        except OSError:
            return ""

    def ask(self, path, **arguments):
        """What its API answers; None while it does not."""
        text = self.get("/api/v1/" + path, **arguments)
        return json.loads(text)["data"] if text else None

    def values(self, expression):
        """Every finite value that a query had since the start."""
        found = self.ask("query_range", query=expression, start=self.began,
                         end=time.time(), step=2)
        numbers = [value for series in (found or {"result": []})["result"]
                   for _, value in series["values"]]
        return [n for n in numbers if n not in ("NaN", "+Inf", "-Inf")]

    def up(self):
        """How many targets answered the last scrape."""
        found = self.ask("query", query="sum(up)")
        return int(found["result"][0]["value"][1]) if found and found[
            "result"] else 0

    def stop(self):
        """Returns when it has ended."""
        self._process.terminate()
        self._process.wait(30)


class Alertmanager:
    """Sends alerts to `webhook_port`, without deploy/'s half minute of wait."""

    def __init__(self, folder, port, webhook_port):
        text = (DEPLOY / "alertmanager.yml").read_text()
        text = re.sub(r"127\.0\.0\.1:9094", f"127.0.0.1:{webhook_port}", text)
        text = text.replace("group_wait: 30s", "group_wait: 1s")
        (folder / "alertmanager.yml").write_text(text)
        with open(folder / "alertmanager.log", "wb") as log:
            self._process = subprocess.Popen(
                [_program("prometheus-alertmanager"),
                 f"--config.file={folder}/alertmanager.yml",
                 f"--storage.path={folder}/alertmanager",
                 "--cluster.listen-address=",
                 f"--web.listen-address=127.0.0.1:{port}"],
                stdout=log, stderr=log)

    def stop(self):
        """Returns when it has ended."""
        self._process.terminate()
        self._process.wait(30)


class Webhook:
    """Keeps what is posted to it."""

    def __init__(self):
        self.alerts = alerts = []

        class Handler(http.server.BaseHTTPRequestHandler):

            def do_POST(self):
                size = int(self.headers["Content-Length"])
                alerts.extend(json.loads(self.rfile.read(size))["alerts"])
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0),
                                                       Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever,
                         daemon=True).start()

    def stop(self):
        """Returns when nothing more comes."""
        self._server.shutdown()
        self._server.server_close()
