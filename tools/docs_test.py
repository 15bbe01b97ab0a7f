"""What the documents name must exist."""

import pathlib
import re
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent
# They read series that others register.
READERS = ("cli/top_look.cc", "cli/top_view.cc")
SOURCES = ("core", "actor", "reward_server", "trainer", "feedback", "crowd",
           "cli")


def read(path):
    return (ROOT / path).read_text(encoding="utf-8")


def documents():
    return sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"),
                   *ROOT.glob("deploy/**/*.md")])


class DocumentsTest(unittest.TestCase):

    def test_links_to_files_lead_somewhere(self):
        for document in documents():
            text = document.read_text(encoding="utf-8")
            for target in re.findall(r"\]\(([^)#]+)", text):
                if "://" not in target:
                    with self.subTest(document=document.name, target=target):
                        self.assertTrue((document.parent / target).exists())

    def test_functions_that_algorithms_name_are_in_their_headers(self):
        rows = re.findall(r"`([\w/]+\.h)`: ((?:`\w+`(?:, )?)+)",
                          read("docs/algorithms.md"))
        self.assertGreater(len(rows), 20)
        for header, names in rows:
            for name in re.findall(r"\w+", names):
                with self.subTest(header=header, name=name):
                    self.assertRegex(read(header), rf"\b{name}\b")

    def test_tests_that_algorithms_name_exist(self):
        sources = "".join(path.read_text(encoding="utf-8")
                          for folder in (*SOURCES, "tests")
                          for path in sorted((ROOT / folder).rglob("*.cc")))
        names = re.findall(r"`(\w+Test)\.(\w+|\*)`", read("docs/algorithms.md"))
        self.assertGreater(len(names), 10)
        for suite, name in names:
            name = r"\w+" if name == "*" else name
            with self.subTest(suite=suite, name=name):
                self.assertRegex(sources, rf"TEST(_F|_P)?\(\s*{suite},\s*{name}\)")

    def test_tests_that_guarantees_name_are_in_the_files_that_they_link(self):
        num_named = 0
        for row in read("docs/guarantees.md").splitlines():
            files = [read(f"docs/{path}") for path in
                     re.findall(r"\]\((\.\./[\w/]+_test\.(?:cc|py))\)", row)]
            names = [*re.findall(r"`(\w+Test)\.(\w+)`", row),
                     *re.findall(r"`()(test_\w+)`", row)]
            self.assertEqual(bool(files), bool(names), row)
            for suite, name in names:
                num_named += 1
                form = (rf"TEST(_F|_P)?\(\s*{suite},\s*{name}\)" if suite
                        else rf"def {name}\(")
                with self.subTest(suite=suite, name=name):
                    self.assertTrue(any(re.search(form, text) for text in files))
        self.assertGreater(num_named, 50)

    def test_headers_that_documents_name_exist(self):
        for document in documents():
            text = document.read_text(encoding="utf-8")
            for path in re.findall(r"`((?:\w+/)+\w+\.(?:h|cc|proto|py))`",
                                   text):
                if path.startswith(("torch/", "ATen/")):
                    continue
                with self.subTest(document=document.name, path=path):
                    self.assertTrue((ROOT / path).exists())

    def test_metrics_list_is_complete_and_true(self):
        documented = set(re.findall(r"`((?:rlhf|grpc_server)_[a-z0-9_]+)[`{]", read("docs/metrics.md")))
        registered = set()
        for folder in SOURCES:
            for path in (ROOT / folder).rglob("*.cc"):
                if (not path.name.endswith("_test.cc") and
                        path.relative_to(ROOT).as_posix() not in READERS):
                    text = path.read_text(encoding="utf-8")
                    # A prefix that ends in _ names something else.
                    registered.update(re.findall(
                        r'"((?:rlhf|grpc_server)_\w*[a-z0-9])"', text))
        self.assertEqual(documented, registered)

    def test_series_that_are_read_are_on_the_list(self):
        documented = set(re.findall(r"`((?:rlhf|process)_[a-z0-9_]+)[`{]",
                                    read("docs/metrics.md")))
        for path in READERS:
            names = re.findall(r'"((?:rlhf|process)_\w+)"', read(path))
            self.assertGreater(len(names), 0)
            self.assertEqual(set(names) - documented, set(), path)


if __name__ == "__main__":
    unittest.main()
