#!/usr/bin/env python3
"""Writes the dashboards: deploy/grafana/ and deploy/prometheus/consoles/.

    tools/dashboards/generate.py            write them
    tools/dashboards/generate.py --check    only say which are out of step
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import console  # noqa: E402
import grafana  # noqa: E402
import infrastructure  # noqa: E402
import learner  # noqa: E402
import lifecycle  # noqa: E402
import loop  # noqa: E402
import people  # noqa: E402
import rewards  # noqa: E402
import rollouts  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
BOARDS = tuple(module.BOARD for module in (loop, rollouts, learner, rewards,
                                           lifecycle, people, infrastructure))


def files():
    """What belongs where: (path, text)."""
    for board in BOARDS:
        yield (ROOT / f"deploy/grafana/{board.name}.json",
               grafana.dashboard(board))
        yield (ROOT / f"deploy/prometheus/consoles/{board.name}.html",
               console.page(board, BOARDS))


def stale():
    """Paths of the files that are not what the boards say."""
    return [path for path, text in files()
            if not path.exists() or path.read_text(encoding="utf-8") != text]


def main(arguments):
    """The exit code."""
    if arguments == ["--check"]:
        for path in stale():
            print(f"{path}: run tools/dashboards/generate.py")
        return 1 if stale() else 0
    if arguments:
        print(__doc__)
        return 2
    for path, text in files():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
