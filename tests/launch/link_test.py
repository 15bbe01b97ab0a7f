"""deploy/kubernetes/base/link: who may call whom, and a real nginx that says so.

The pods of the second part are addresses of this machine, of this process' own.
What is a port of a pod in the manifests is the same port of such an address here.
"""

import contextlib
import http.client
import os
import pathlib
import re
import shutil
import socket
import socketserver
import ssl
import subprocess
import tempfile
import threading
import time
import unittest

from manifests import (COMPONENT, KUBERNETES, LINK, ROLES, SOURCE, grpc_port,
                       metrics_port, named, of_kind, rendered, run_file, selects)

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/sbin:/bin")
# Debian has it in a package of its own, libnginx-mod-stream.
STREAM = pathlib.Path("/usr/lib/nginx/modules/ngx_stream_module.so")
NET = f"127.{16 + os.getpid() // 256 % 200}.{os.getpid() % 256}"
PODS = {role: f"{NET}.{number}" for number, role in enumerate(ROLES, 1)}
# Where the roles themselves would be, and where their calls go out.
ROLE_SIDE = {role: f"{NET}.{number}" for number, role in enumerate(ROLES, 101)}
# A call of each service.
CALLS = {"learner": ("Rollouts/LeasePrompts", "Weights/GetManifest", "Control/GetStatus"),
         "actor": ("Generation/Generate",),
         "reward-server": ("Reward/Score", "RewardAdmin/GetStatus"),
         "refresher": ("Refresh/GetStatus",),
         "feedback": ("Feedback/ReadComparisons", "Store/ListRetractions",
                      "Store/Verify", "FeedbackImport/Retract")}
HEALTH = "grpc.health.v1.Health/Check"
ALLOWED = {("feedback", HEALTH),
           ("actor", "Rollouts/LeasePrompts"), ("actor", "Weights/GetManifest"),
           ("refresher", "Control/GetStatus"), ("feedback", "Control/GetStatus"),
           ("feedback", "Generation/Generate"),
           ("feedback", "Refresh/GetStatus"),
           ("refresher", "Feedback/ReadComparisons"),
           ("refresher", "Store/ListRetractions"),
           *((role, call) for role in ("learner", "actor", "refresher", "feedback")
             for call in CALLS["reward-server"])}


def configuration(role):
    """The files of a role's link."""
    return named("gpu", "ConfigMap", f"link-{role}")["data"]


def goes_out_to(role):
    return {name[len("out-"):-len(".conf")] for name in configuration(role)
            if name.startswith("out-")}


def path_of(call):
    return f"/{call}" if call == HEALTH else f"/rlhf.v1.{call}"


class WhoCallsWhomTest(unittest.TestCase):

    def test_ports_are_those_of_the_schema(self):
        for role in ROLES:
            text = configuration(role)["in.conf"]
            self.assertIn(f"server 127.0.0.1:{grpc_port(role)};", text)
            if role != "learner":  # its ranks differ
                self.assertIn(f"server 127.0.0.1:{metrics_port(role)};", text)
            for callee in goes_out_to(role):
                self.assertIn(f"listen 127.0.0.1:{grpc_port(callee)} http2;",
                              configuration(role)[f"out-{callee}.conf"])

    def test_probes_ask_where_the_role_is(self):
        for role in ROLES[1:]:
            pod = named("gpu", "Deployment", role)["spec"]["template"]["spec"]
            for probe in ("startupProbe", "livenessProbe"):
                self.assertEqual(
                    pod["containers"][0][probe]["exec"]["command"][-1],
                    f"http://127.0.0.1:{metrics_port(role)}/metrics")
        ready = named("gpu", "ConfigMap", "learner-ready")["data"]["ready.sh"]
        self.assertIn(f"http://127.0.0.1:{grpc_port('learner')}/grpc.health", ready)

    def test_policies_and_links_let_the_same_roles_in(self):
        for callee in ROLES:
            policy = named("gpu", "NetworkPolicy", callee)["spec"]
            by_policy = {role for role in ROLES for rule in policy["ingress"]
                         if "ports" in rule for peer in rule["from"]
                         if selects(peer["podSelector"], {COMPONENT: role})}
            by_link = {role for role in ROLES if callee in goes_out_to(role)}
            by_call = {caller for caller, call in ALLOWED if call in CALLS[callee]}
            self.assertEqual(by_policy, by_link, callee)
            self.assertEqual(by_policy, by_call, callee)

    def test_calls_go_to_services_that_exist(self):
        services = {service["metadata"]["name"]: service["spec"]
                    for service in of_kind("gpu", "Service")}
        for path in LINK.glob("out-*.conf"):
            host, port = re.search(r"server ([\w-]+):(\d+);",
                                   path.read_text(encoding="utf-8")).groups()
            self.assertIn((int(port), "link"),
                          [(entry["port"], entry["targetPort"])
                           for entry in services[host]["ports"]])

    def test_weights_go_through_links_at_the_port_of_the_run_file(self):
        for overlay in ("gpu", "postgres"):
            port = re.search(r"weights_port: (\d+)", run_file(overlay))[1]
            self.assertIn(f'"CN=actor" 127.0.0.1:{port};',
                          configuration("learner")["weights-in-learner.conf"])
            self.assertIn(f"listen 127.0.0.1:{port};",
                          configuration("actor")["weights-out-learner.conf"])
        self.assertIn("proxy_pass learner-head:7444;",
                      configuration("actor")["weights-out-learner.conf"])
        self.assertIn({"name": "weights", "port": 7444, "targetPort": "weights"},
                      named("gpu", "Service", "learner-head")["spec"]["ports"])
        for role in ROLES:
            policy = named("gpu", "NetworkPolicy", role)["spec"]
            may = [selects(peer["podSelector"], {COMPONENT: caller})
                   for rule in policy["ingress"]
                   if {"protocol": "TCP", "port": 7444} in rule.get("ports", [])
                   for peer in rule["from"] for caller in ROLES]
            self.assertEqual(sum(may), 1 if role == "learner" else 0)

    def test_services_that_are_named_are_of_the_protocol(self):
        proto = "".join(path.read_text(encoding="utf-8") for path
                        in (SOURCE / "proto/rlhf/v1").glob("*.proto"))
        real = set(re.findall(r"^service (\w+)", proto, re.M))
        named_here = {call.split("/")[0] for calls in CALLS.values() for call in calls}
        self.assertEqual(real, named_here)

    def test_nothing_crosses_pods_but_through_a_link(self):
        ports = {port["port"] for policy in of_kind("postgres", "NetworkPolicy")
                 for rule in policy["spec"].get("ingress", [])
                 for port in rule.get("ports", [])}
        self.assertEqual(ports, {7443, 7444, 8080, 5432})
        for thing in rendered("gpu"):
            self.assertNotIn("hostNetwork", str(thing))


def moved(text, role):
    """A link's file with the addresses that `role` has here."""
    text = text.replace("include /tmp/own-metrics.conf;", "server 127.0.0.1:7201;")
    text = text.replace("127.0.0.1:", f"{ROLE_SIDE[role]}:")
    text = text.replace("/tmp/", "tmp/").replace("Host 127.0.0.1", "Host localhost")
    text = re.sub(r"listen (7443|7444|8080|8081)", rf"listen {PODS[role]}:\1", text)
    if not STREAM.exists():  # the rest of the link is tested all the same
        text = re.sub(r"load_module .*\n|^stream {\n(.*\n)*?}\n", "", text, flags=re.M)
    for name in ROLES:
        host = "learner-head" if name == "learner" else name
        text = re.sub(rf"(server|proxy_pass) {host}:(744\d);",
                      rf"\1 {PODS[name]}:\2;", text)
    return text


# In a role's place: says at which address a call arrived.
STAND_IN = """
server {{
    listen {address}:{grpc} http2;
    default_type application/grpc;
    location / {{ return 200 "$server_addr $uri"; }}
}}
server {{
    listen {address}:{metrics};
    location = /metrics {{ return 200 "rlhf_build_info 1\\n"; }}
}}
"""


@unittest.skipUnless(NGINX and shutil.which("curl") and shutil.which("openssl"),
                     "nginx, curl or openssl is not here (`make setup`)")
class LinkTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp())
        cls.processes = {}
        cls.addClassCleanup(cls.stop)
        subprocess.run([KUBERNETES / "make-secrets.sh", cls.folder / "secrets"],
                       check=True, capture_output=True)
        for role in ROLES:
            cls.start(role)
        for role in ROLES:
            cls.wait_for(role)

    @classmethod
    def start(cls, role):
        conf = cls.folder / role / "conf"
        (conf / "tmp").mkdir(parents=True)
        (cls.folder / role / "tls").symlink_to(cls.folder / "secrets" / f"link-{role}")
        for name, text in configuration(role).items():
            text = moved(text, role).replace("tmp/", f"{conf}/tmp/")
            (conf / name).write_text(text, encoding="utf-8")
        (conf / "out-stand-in.conf").write_text(STAND_IN.format(
            address=ROLE_SIDE[role], grpc=grpc_port(role),
            metrics=7201 if role == "learner" else metrics_port(role)),
            encoding="utf-8")
        with open(conf / "log", "w", encoding="utf-8") as log:
            cls.processes[role] = subprocess.Popen(
                [NGINX, "-e", "stderr", "-c", conf / "nginx.conf", "-g", "daemon off;"],
                stderr=log)

    @classmethod
    def stop(cls):
        for process in cls.processes.values():
            process.terminate()
        for process in cls.processes.values():
            process.wait()
        shutil.rmtree(cls.folder)

    @classmethod
    def wait_for(cls, role):
        """Until this role's own nginx answers."""
        end = time.monotonic() + 30
        while True:
            try:
                socket.create_connection((PODS[role], 7443), 1).close()
                answers = True
            except OSError:
                answers = False
            if cls.processes[role].poll() is None and answers:
                return
            if cls.processes[role].poll() is not None or time.monotonic() > end:
                log = (cls.folder / role / "conf/log").read_text(encoding="utf-8")
                raise AssertionError(f"no link of {role} at {PODS[role]}: {log}")
            time.sleep(0.05)

    def call(self, url, *arguments):
        """(HTTP status, body)"""
        result = subprocess.run(
            ["curl", "--silent", "--max-time", "10", "--http2-prior-knowledge",
             "--header", "content-type: application/grpc", "--data-binary", "",
             "--write-out", "\n%{http_code}", *arguments, url],
            capture_output=True, text=True, check=False)
        body, _, status = result.stdout.rpartition("\n")
        return int(status), body

    def test_a_role_reaches_those_and_only_those_that_it_calls(self):
        for caller in ROLES:
            for callee in goes_out_to(caller):
                for call in (*CALLS[callee], HEALTH):
                    headers_file = self.folder / "headers"
                    status, body = self.call(
                        f"http://{ROLE_SIDE[caller]}:{grpc_port(callee)}{path_of(call)}",
                        "--dump-header", str(headers_file))
                    headers = headers_file.read_text(encoding="utf-8")
                    with self.subTest(caller=caller, call=call):
                        if (caller, call) in ALLOWED:
                            self.assertEqual(
                                (status, body),
                                (200, f"{ROLE_SIDE[callee]} {path_of(call)}"))
                        else:
                            self.assertEqual(status, 204)
                            self.assertIn("grpc-status: 7", headers)
                            self.assertIn(f"CN={caller} not call {path_of(call)}",
                                          headers)

    def test_no_certificate_no_call(self):
        status, body = self.call(
            f"https://{PODS['reward-server']}:7443/rlhf.v1.Reward/Score",
            "--insecure")
        self.assertEqual(status, 400)
        self.assertIn("No required SSL certificate", body)

    def test_a_stranger_who_calls_himself_a_role_is_turned_away(self):
        with tempfile.TemporaryDirectory() as other:
            subprocess.run([KUBERNETES / "make-secrets.sh", other], check=True,
                           capture_output=True)
            status, body = self.call(
                f"https://{PODS['reward-server']}:7443/rlhf.v1.Reward/Score",
                "--insecure",
                "--cert", f"{other}/link-actor/tls.crt",
                "--key", f"{other}/link-actor/tls.key")
        self.assertEqual(status, 400)
        self.assertIn("SSL certificate error", body)

    def test_a_role_in_another_ones_place_is_not_spoken_to(self):
        # The refresher's certificate where the reward server should be.
        wrong = self.folder / "reward-server/tls"
        context = ssl.create_default_context(cafile=wrong / "ca.crt")
        context.load_cert_chain(wrong / "tls.crt", wrong / "tls.key")
        with socket.create_connection((PODS["refresher"], 7443)) as plain:
            with self.assertRaisesRegex(ssl.SSLError, "reward-server"):
                context.wrap_socket(plain, server_hostname="reward-server")
        self.assertIn("grpc_ssl_verify              on;", configuration("actor")["nginx.conf"])

    @contextlib.contextmanager
    def weights(self):
        """In the learner's place: sends a word to whoever connects."""
        class Sender(socketserver.BaseRequestHandler):
            def handle(self):
                self.request.sendall(b"weights")
        with socketserver.TCPServer((ROLE_SIDE["learner"], 7106), Sender) as server:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            try:
                yield
            finally:
                server.shutdown()
                thread.join()

    @unittest.skipUnless(STREAM.exists(), "nginx has no stream module (`make setup`)")
    def test_an_actor_receives_weights_and_nobody_else(self):
        with self.weights():
            with socket.create_connection((ROLE_SIDE["actor"], 7106), 10) as actor:
                self.assertEqual(actor.recv(100), b"weights")
            for role in ROLES:
                tls = self.folder / role / "tls"
                context = ssl.create_default_context(cafile=tls / "ca.crt")
                context.load_cert_chain(tls / "tls.crt", tls / "tls.key")
                with socket.create_connection((PODS["learner"], 7444), 10) as plain, \
                        context.wrap_socket(plain, server_hostname="learner") as peer:
                    self.assertEqual(peer.recv(100),
                                     b"weights" if role == "actor" else b"", role)
            stranger = ssl.create_default_context(cafile=tls / "ca.crt")
            with socket.create_connection((PODS["learner"], 7444), 10) as plain, \
                    stranger.wrap_socket(plain, server_hostname="learner") as peer:
                self.assertEqual(peer.recv(100), b"")

    def test_probes_reach_health_and_nothing_else(self):
        base = f"http://{PODS['actor']}:8081"
        status, body = self.call(f"{base}/grpc.health.v1.Health/Check")
        self.assertEqual((status, body),
                         (200, f"{ROLE_SIDE['actor']} /grpc.health.v1.Health/Check"))
        self.assertEqual(self.call(f"{base}/rlhf.v1.Generation/Generate")[0], 404)

    def test_prometheus_reaches_metrics_and_nothing_else(self):
        for role in ROLES:
            for path, wanted in (("/metrics", 200), ("/", 404), ("/api/stats", 404)):
                connection = http.client.HTTPConnection(PODS[role], 8080, timeout=10)
                connection.request("GET", path)
                self.assertEqual(connection.getresponse().status, wanted)
                connection.close()


if __name__ == "__main__":
    unittest.main()
