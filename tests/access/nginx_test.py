#!/usr/bin/env python3
"""deploy/nginx/feedback.conf: nginx takes it, and lets people in over TLS.

Exits 77 (CTest: skipped) where nginx, curl or openssl is missing.
"""

import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

from feedback_service import SOURCE, feedback_service, free_port, wait_until

HOST = "label.example.org"
NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/sbin:/bin")
PASSWORD = "a long password"


def make_certificate(folder):
    """A self-signed certificate for HOST."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
         "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1", "-subj",
         f"/CN={HOST}", "-addext", f"subjectAltName=DNS:{HOST}", "-keyout",
         str(folder / "privkey.pem"), "-out", str(folder / "fullchain.pem")],
        check=True, capture_output=True)


def site(folder, tls_port, plain_port, service_port):
    """Our configuration, with other ports and folders and nothing else."""
    text = (SOURCE / "deploy/nginx/feedback.conf").read_text()
    text = text.replace(f"/etc/letsencrypt/live/{HOST}", str(folder))
    text = text.replace("/var/log/nginx", str(folder))
    text = text.replace("127.0.0.1:7180", f"127.0.0.1:{service_port}")
    # IPv4 only: not every machine that runs tests has IPv6.
    text = re.sub(r"listen \[::\]:.*;", "", text)
    text = text.replace("listen 443", f"listen 127.0.0.1:{tls_port}")
    return text.replace("listen 80", f"listen 127.0.0.1:{plain_port}")


def write_configuration(folder, tls_port, plain_port, service_port):
    make_certificate(folder)
    (folder / "site.conf").write_text(
        site(folder, tls_port, plain_port, service_port))
    temporary = "".join(
        f"  {kind}_temp_path {folder}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    path = folder / "nginx.conf"
    path.write_text(
        f"daemon off;\nmaster_process off;\npid {folder}/pid;\n"
        f"error_log {folder}/error.log;\nevents {{}}\n"
        f"http {{\n{temporary}  include {folder}/site.conf;\n}}\n")
    return path


class NginxTest(unittest.TestCase):

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="rlhf-nginx-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.tls_port = free_port()
        self.plain_port = free_port()
        self.origin = f"https://{HOST}"

    def start_nginx(self, service_port):
        path = write_configuration(
            self.folder, self.tls_port, self.plain_port, service_port)
        checked = subprocess.run([NGINX, "-t", "-c", str(path)],
                                 capture_output=True, text=True)
        self.assertEqual(checked.returncode, 0, checked.stderr)
        self.assertNotIn("[warn]", checked.stderr)
        process = subprocess.Popen(
            [NGINX, "-c", str(path)], stderr=subprocess.DEVNULL)
        self.addCleanup(process.wait)
        self.addCleanup(process.terminate)
        wait_until(lambda: self.curl("/login")[0] == 200, "nginx answers")

    def curl(self, path, *arguments, body=None, csrf=""):
        """(status, text) of a request to the page as a browser sends it."""
        command = [
            "curl", "--silent", "--noproxy", "*", "--max-time", "20",
            "--cacert", str(self.folder / "fullchain.pem"), "--connect-to",
            f"{HOST}::127.0.0.1:{self.tls_port}", "--cookie",
            str(self.folder / "cookies"), "--cookie-jar",
            str(self.folder / "cookies"), "--write-out", "\n%{http_code}",
            f"{self.origin}{path}", *arguments]
        if body is not None:
            command += ["--header", "Content-Type: application/json",
                        "--header", f"X-CSRF-Token: {csrf}",
                        "--header", f"Origin: {self.origin}",
                        "--data", json.dumps(body)]
        text = subprocess.run(command, capture_output=True, text=True).stdout
        text, _, status = text.rpartition("\n")
        return int(status or 0), text

    def test_configuration_is_accepted(self):
        path = write_configuration(
            self.folder, self.tls_port, self.plain_port, 7180)
        checked = subprocess.run([NGINX, "-t", "-c", str(path)],
                                 capture_output=True, text=True)
        self.assertEqual(checked.returncode, 0, checked.stderr)
        self.assertNotIn("[warn]", checked.stderr)

    def test_people_log_in_over_tls_and_only_there(self):
        access = f'require_login: true public_origin: "https://{HOST}"'
        with feedback_service(access) as service:
            self.start_nginx(service.http_port)
            self.check_login(service)
            self.check_what_is_closed()
            self.check_limits()

    def test_people_log_in_at_another_port_too(self):
        self.origin = f"https://{HOST}:{self.tls_port}"
        access = f'require_login: true public_origin: "{self.origin}"'
        with feedback_service(access) as service:
            self.start_nginx(service.http_port)
            self.check_login(service)

    def check_login(self, service):
        link = service.verb("invite", "--name", "ada").strip()
        self.assertTrue(link.startswith(f"{self.origin}/join?token="), link)
        path = link.removeprefix(self.origin)
        self.assertEqual(self.curl(path)[0], 200)
        token = re.search("token=([0-9a-f]{64})", path).group(1)
        status, text = self.curl("/api/join", body={
            "token": token, "name": "ada", "password": PASSWORD})
        self.assertEqual(status, 200, text)
        csrf = json.loads(text)["csrf_token"]
        self.assertEqual(self.curl("/api/stats")[0], 200)
        self.assertEqual(self.curl("/api/task", body={})[0], 403)
        self.assertEqual(self.curl("/api/task", body={}, csrf=csrf)[0], 204)
        self.assertEqual(self.curl("/api/logout", body={}, csrf=csrf)[0], 200)
        self.assertEqual(self.curl("/api/stats")[0], 401)
        status, text = self.curl(
            "/api/login", body={"name": "ada", "password": PASSWORD})
        self.assertEqual(status, 200, text)
        cookies = (self.folder / "cookies").read_text()
        self.assertRegex(cookies, "#HttpOnly_.*TRUE.*__Host-rlhf")
        # No secret of an invitation gets into the log.
        self.assertNotIn(token, (self.folder / "rlhf.log").read_text())

    def check_what_is_closed(self):
        _, headers = self.curl("/login", "--head")
        self.assertIn("strict-transport-security: max-age=", headers)
        self.assertIn("content-security-policy: default-src 'none'", headers)
        self.assertEqual(self.curl("/metrics")[0], 404)
        plain = subprocess.run(
            ["curl", "--silent", "--noproxy", "*", "--include", "--header",
             f"Host: {HOST}",
             f"http://127.0.0.1:{self.plain_port}/join?token=abc"],
            capture_output=True, text=True).stdout
        self.assertIn("301 Moved", plain)
        self.assertRegex(plain, f"Location: https://{HOST}/join\\s")
        split = subprocess.run(
            ["curl", "--silent", "--noproxy", "*", "--include", "--header",
             f"Host: {HOST}",
             f"http://127.0.0.1:{self.plain_port}/a%0d%0aSet-Cookie:%20b=c"],
            capture_output=True, text=True).stdout
        self.assertIn(f"Location: https://{HOST}/a%0d%0aSet-Cookie", split)
        self.assertNotIn("\nSet-Cookie", split)
        other = subprocess.run(
            ["curl", "--silent", "--noproxy", "*", "--insecure", "--resolve",
             f"other.example:{self.tls_port}:127.0.0.1",
             f"https://other.example:{self.tls_port}/login"])
        self.assertNotEqual(other.returncode, 0)

    def check_limits(self):
        long_body = {"name": "ada", "password": "x" * 10_000}
        self.assertEqual(self.curl("/api/login", body=long_body)[0], 413)
        guess = {"name": "nobody", "password": "a guess of it"}
        statuses = [self.curl("/api/login", body=guess)[0] for _ in range(14)]
        self.assertEqual(set(statuses), {401, 429})


if __name__ == "__main__":
    if NGINX is None or not shutil.which("curl") or not shutil.which("openssl"):
        print("skipped: nginx, curl or openssl is not installed")
        sys.exit(77)
    unittest.main()
