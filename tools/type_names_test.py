#!/usr/bin/env python3
"""No two types have one name: where two programs' parts are linked together, the
linker takes one for the other and says nothing."""

import collections
import pathlib
import re
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDERS = ("core", "actor", "trainer", "reward_server", "feedback", "crowd", "cli")
TYPE = re.compile(r"^(?:struct|class)\s+(?:\w+\(.*\)\s+)?(\w+)\b(?!::)(?!.*;\s*$)(?!<)")
NAMESPACE = re.compile(r"^namespace\s*([\w:]*)\s*\{")
END = re.compile(r"^\}\s*// namespace")


def types_of(text):
    """Names at namespace scope, with their namespace; none that one file keeps to
    itself."""
    spaces = []
    for line in text.splitlines():
        if opened := NAMESPACE.match(line):
            spaces.append(opened[1])
        elif END.match(line):
            spaces.pop()
        elif (found := TYPE.match(line)) and "" not in spaces:
            yield "::".join([*spaces, found[1]])


class TypeNamesTest(unittest.TestCase):

    def test_types_are_found_unless_one_file_keeps_them(self):
        text = ("namespace rlhf {\nclass Later;\nclass A final : public B {\n};\n"
                "namespace {\nstruct Own {\n};\n}  // namespace\n"
                "struct C {\n};\n}  // namespace rlhf\n")
        self.assertEqual(list(types_of(text)), ["rlhf::A", "rlhf::C"])

    def test_no_two_types_have_one_name(self):
        places = collections.defaultdict(set)
        for folder in FOLDERS:
            for path in (ROOT / folder).rglob("*"):
                if path.suffix not in (".h", ".cc") or path.stem.endswith("_test"):
                    continue
                for name in types_of(path.read_text(encoding="utf-8")):
                    places[name].add(path.relative_to(ROOT).as_posix())
        self.assertGreater(len(places), 300)
        for name, files in places.items():
            with self.subTest(type=name):
                self.assertEqual(len(files), 1, files)


if __name__ == "__main__":
    unittest.main()
