#!/usr/bin/env python3
"""deploy/systemd: systemd takes the unit, and finds it closed enough.

Exits 77 (CTest: skipped) where systemd is missing.
"""

import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
UNIT = SOURCE / "deploy/systemd/rlhf@.service"
# 0 is closed, 10 is open; systemd says "OK" below 4.
MOST_EXPOSED = 2.0


def analyze(*arguments):
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True,
                          text=True, check=False)


class UnitTest(unittest.TestCase):

    def test_systemd_takes_it(self):
        with tempfile.TemporaryDirectory() as folder:
            # The program is not installed here; something else is.
            text = UNIT.read_text().replace("/usr/bin/rlhf", "/bin/true")
            (pathlib.Path(folder) / UNIT.name).write_text(text)
            result = analyze("verify", f"{folder}/rlhf@main.service")
        self.assertEqual((result.returncode, result.stderr), (0, ""))

    def test_it_sees_little_of_the_machine(self):
        result = analyze("security", "--offline=true", str(UNIT))
        score = re.search(r"exposure level.*: ([0-9.]+)", result.stdout)
        self.assertLess(float(score[1]), MOST_EXPOSED, result.stdout)

    def test_it_waits_for_what_must_be_saved(self):
        unit = UNIT.read_text()
        wait = int(re.search(r"TimeoutStopSec=(\d+)", unit)[1])
        up = (SOURCE / "cli/up.cc").read_text()
        grace = int(re.search(r"kStopGrace = absl::Seconds\((\d+)\)", up)[1])
        self.assertGreater(wait, grace)
        schema = (SOURCE / "proto/rlhf/v1/config.proto").read_text()
        usual = re.search(r"preemption_grace_seconds = \d+ \[default = (\d+)", schema)
        self.assertGreater(wait, int(usual[1]) + 10)

    def test_a_run_file_that_is_missing_is_a_failure(self):
        # With a condition instead the start would count as done.
        self.assertIn("AssertPathExists=/etc/rlhf/%i.txtpb\n", UNIT.read_text())

    def test_what_the_manual_says_makes_the_folder_of_run_files(self):
        manual = (SOURCE / "docs/packages.md").read_text()
        self.assertRegex(manual, r"install -D .*run\.txtpb /etc/rlhf/main\.txtpb")

    def test_each_run_has_a_folder_of_its_own(self):
        # Its user is its own too, and systemd gives the folder to that one.
        unit = UNIT.read_text()
        self.assertIn("DynamicUser=yes\n", unit)
        self.assertEqual(re.search(r"^StateDirectory=(.*)$", unit, re.M)[1], "rlhf/%i")
        self.assertEqual(re.search(r"^WorkingDirectory=(.*)$", unit, re.M)[1],
                         "/var/lib/rlhf/%i")

    def test_the_callers_mistake_is_not_tried_again(self):
        codes = (SOURCE / "core/launch/exit_codes.h").read_text()
        code = re.search(r"kCallersMistake = (\d+)", codes)[1]
        self.assertIn(f"RestartPreventExitStatus={code}\n", UNIT.read_text())

    def test_a_run_that_was_asked_to_stop_has_not_failed(self):
        codes = (SOURCE / "core/launch/exit_codes.h").read_text()
        code = re.search(r"kStoppedEarly = (\d+)", codes)[1]
        self.assertIn(f"SuccessExitStatus={code}\n", UNIT.read_text())


if __name__ == "__main__":
    if not shutil.which("systemd-analyze"):
        print("SKIPPED: there is no systemd-analyze")
        sys.exit(77)
    unittest.main()
