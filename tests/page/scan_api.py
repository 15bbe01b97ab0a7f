#!/usr/bin/env python3
"""Searches the JSON API of a real feedback service for faults: schemathesis
sends what /api/openapi.json allows, and what it does not, and no answer may be
a 500.

    .venv-page/bin/python tests/page/scan_api.py [--examples N]

Exits 77 (CTest: skipped) where schemathesis is not installed.
"""

import argparse
import importlib.util
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv-page"
sys.path.insert(0, str(ROOT / "tests/access"))

from feedback_service import feedback_service  # noqa: E402


def scan(url, examples, headers):
    """schemathesis' exit code: 0 if nothing was found."""
    command = [
        str(pathlib.Path(sys.executable).parent / "schemathesis"), "run",
        "--checks", "not_a_server_error", "--mode", "all",
        "--max-examples", str(examples), "--workers", "1",
        "--generation-deterministic",
        "--request-timeout", "20", "--no-color"]
    for header in headers:
        command += ["--header", header]
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": "scan_hooks",
                   "PYTHONPATH": str(ROOT / "tests/page")}
    return subprocess.run([*command, url], check=False,
                          env=environment).returncode


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--examples", type=int, default=50,
                        help="for each operation")
    arguments = parser.parse_args()
    if importlib.util.find_spec("schemathesis") is None:
        python = str(VENV / "bin/python")
        if sys.executable != python and pathlib.Path(python).exists():
            os.execv(python, [python, *sys.argv])
        print("skipped: schemathesis is not installed; "
              "`make test` brings it, in .venv-page")
        return 77
    failed = 0
    with feedback_service("") as service:
        url = f"http://127.0.0.1:{service.http_port}/api/openapi.json"
        print("without a login:")
        failed += scan(url, arguments.examples, []) != 0
    with feedback_service("require_login: true") as service:
        url = f"http://127.0.0.1:{service.http_port}/api/openapi.json"
        folder = service.config.parent / "run/feedback"
        token = (folder / "operator.token").read_text().strip()
        print("with one, as an admin:")
        failed += scan(url, arguments.examples,
                       [f"Authorization: Bearer {token}"]) != 0
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
