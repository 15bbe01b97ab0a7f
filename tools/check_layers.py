#!/usr/bin/env python3
"""Checks that every #include follows the one-way rule of the architecture.

    python3 tools/check_layers.py [ROOT]

LAYERS is the rule: a folder may include itself, what its row names, and what
stands in any row of core/ above. Roles meet only in proto/. Prints each
violation as file:line and exits 1.
"""

import pathlib
import re
import sys

PROTO = ["rlhf/v1"]
CORE = PROTO + [
    "core/base", "core/config", "core/telemetry", "core/rpc", "core/launch",
    "core/text", "core/comparisons", "core/comm", "core/nn", "core/registry",
]  # each may use those before it
TRAINER_PARTS = {
    "trainer/ppo": [],
    "trainer/optim": [],
    "trainer/parallel": ["trainer/optim"],
    "trainer/preference": ["trainer/optim", "trainer/parallel"],
    "trainer/experience": [],
    "trainer/checkpoint": [],
}
ROLES = ["reward_server", "actor", "trainer", "feedback", "crowd"]

LAYERS = {
    **{folder: CORE[:i] for i, folder in enumerate(CORE) if i},
    **{folder: CORE for folder in ROLES},
    **{folder: CORE + parts for folder, parts in TRAINER_PARTS.items()},
    "trainer": CORE + list(TRAINER_PARTS),
    "cli": CORE + ROLES + list(TRAINER_PARTS),
    "tests": None,  # anything
    "bench": None,
}
TEST_ONLY = ("tests/testing/", "tests/fixtures/")
FORBIDDEN = {
    "torch/torch.h": "takes 30 s and 1.7 GB a file; include "
                     "ATen/core/Tensor.h and the ATen/ops/*.h that are used",
}

INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]')


def owner(path):
    """The longest folder of LAYERS that holds `path`, or None."""
    parts = pathlib.PurePosixPath(path).parent.parts
    for length in range(len(parts), 0, -1):
        folder = "/".join(parts[:length])
        if folder in LAYERS or folder in PROTO:
            return folder
    return None


def is_test(path):
    return path.endswith("_test.cc") or "test_" in pathlib.Path(path).name \
        or pathlib.Path(path).stem.endswith("_fixtures")


def fault(path, quote, included):
    """Why `path` may not include `included`, or None."""
    if included in FORBIDDEN:
        return FORBIDDEN[included]
    if quote == "<":
        return None
    source = owner(path)
    if source is None:
        return "the folder is not in LAYERS of tools/check_layers.py"
    allowed = LAYERS.get(source)
    if allowed is None:
        return None
    if included.startswith(TEST_ONLY):
        return None if is_test(path) else "only tests may include tests/"
    target = owner(included)
    if target is None and "/" not in included:
        return "name the header by its path from the repository root"
    if target is None or target == source or target in allowed:
        return None  # a third-party header, or a layer below
    return f"{source} may not use {target}"


def check_file(root, path):
    text = (root / path).read_text(encoding="utf-8")
    for number, line in enumerate(text.splitlines(), start=1):
        match = INCLUDE.match(line)
        if match:
            why = fault(path, *match.groups())
            if why:
                yield f'{path}:{number}: "{match.group(2)}": {why}'


def check_tree(root):
    violations = []
    folders = sorted({folder.split("/")[0] for folder in LAYERS})
    for folder in folders:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in (".h", ".cc"):
                relative = path.relative_to(root).as_posix()
                violations.extend(check_file(root, relative))
    return violations


def main():
    here = pathlib.Path(__file__).resolve().parent.parent
    root = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else here
    violations = check_tree(root)
    print("\n".join(violations), end="\n" if violations else "")
    print(f"check_layers: {len(violations)} violations")
    sys.exit(1 if violations else 0)


if __name__ == "__main__":
    main()
