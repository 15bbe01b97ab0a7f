#!/usr/bin/env python3
"""deploy/slurm/job.sh: which ends of a step end the job; without Slurm."""

import pathlib
import subprocess
import tempfile
import unittest

JOB = pathlib.Path(__file__).resolve().parents[2] / "deploy/slurm/job.sh"
# Each start of the step ends at once with the next of the codes.
SCRIPT = """
set -euo pipefail
source "$1"
SCRATCH=$2 DIRECTORY=$2 PLACEMENT=here ASKED="" starts=0
codes=($3)
placement() { echo here; }
last_update() { echo 0; }
is_finished() { false; }
sleep() { :; }
step() {
  starts=$((starts + 1))
  return "${codes[starts - 1]}"
}
mkdir "$DIRECTORY/logs"
touch "$DIRECTORY/logs/$4.log"
ended=0
keep "$4" 0 -- program > /dev/null || ended=$?
echo "$ended after $starts"
"""


class KeepTest(unittest.TestCase):

    def keep(self, role, codes):
        """The code that ends the job, and how often the step was started."""
        with tempfile.TemporaryDirectory() as folder:
            return subprocess.run(
                ["bash", "-c", SCRIPT, "keep", JOB, folder, codes, role],
                capture_output=True, text=True, check=True).stdout.strip()

    def test_the_callers_mistake_at_the_first_start_ends_the_job(self):
        self.assertEqual(self.keep("actor", "2"), "2 after 1")

    def test_the_same_code_of_one_that_was_started_again_does_not(self):
        self.assertEqual(self.keep("actor", "1 2 2 " + "1 " * 8), "3 after 11")

    def test_a_crowd_that_is_done_is_not_started_again(self):
        self.assertEqual(self.keep("crowd", "0"), "0 after 1")

    def test_a_learner_that_was_asked_to_stop_is_started_again(self):
        self.assertEqual(self.keep("learner", "5 0 " + "5 " * 9), "3 after 11")


if __name__ == "__main__":
    unittest.main()
