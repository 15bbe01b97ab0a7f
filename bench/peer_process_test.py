import pathlib
import sys
import tempfile
import unittest

from peer_process import PeerProcess

ECHO = """
import json, sys
print("a library says hello")
print(json.dumps({"ready": True, "port": 7}), flush=True)
for line in sys.stdin:
    request = json.loads(line)
    if request.get("die"):
        sys.exit("no such model")
    print("noise"); print(json.dumps(request), flush=True)
"""


class PeerProcessTest(unittest.TestCase):

    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))

    def start(self, text):
        return PeerProcess((sys.executable, "-c", text), self.folder / "peer.log")

    def test_each_line_is_answered_and_noise_is_passed_by(self):
        with self.start(ECHO) as peer:
            self.assertEqual(peer.ready["port"], 7)
            self.assertEqual(peer.ask(batch=3), {"batch": 3})
            self.assertEqual(peer.ask(batch=4), {"batch": 4})
        self.assertEqual(peer.process.returncode, 0)

    def test_an_end_is_told_with_its_last_words(self):
        wanted = "exit code 1; its last words: no such model"
        with self.start(ECHO) as peer, self.assertRaisesRegex(RuntimeError, wanted):
            peer.ask(die=True)

    def test_an_error_that_it_tells_is_one(self):
        with self.start(ECHO) as peer, self.assertRaisesRegex(RuntimeError, "disk is full"):
            peer.ask(error="disk is full")

    def test_silence_ends_with_the_deadline(self):
        with self.start(ECHO.replace("for line", "sys.stdin.readline(); sys.stdin.readline()\nfor line")) as peer:
            with self.assertRaisesRegex(RuntimeError, "in time"):
                peer.ask(seconds=0.01)

    def test_one_that_does_not_start_says_why(self):
        with self.assertRaisesRegex(RuntimeError, "(?s)exit code 1.*No module"):
            self.start("import no_such_module")


if __name__ == "__main__":
    unittest.main()
