"""Measurements of several sides in turn, and the rows that come of them."""
import dataclasses
import statistics

from machine import save_results


def interleave(sides, repetitions, machine):
    """Calls each function of `sides` once to warm up, then one after the other, so
    many times; what each returned, in order, by name."""
    for side in sides.values():
        side()
    results = {name: [] for name in sides}
    for _ in range(repetitions):
        for name, side in sides.items():
            results[name].append(machine.run(side))
    return results


@dataclasses.dataclass(frozen=True)
class Spread:
    low: float
    median: float
    high: float

    @staticmethod
    def of(values):
        return Spread(min(values), statistics.median(values), max(values))

    def __str__(self):
        return f"{number(self.median)} ({number(self.low)} to {number(self.high)})"


def number(value):
    """Three digits, and no more zeros than needed."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def best(sides, ours="ours"):
    """The name of the highest median but ours; None if there is no other."""
    return max((name for name in sides if name != ours), key=lambda name: sides[name].median, default=None)


@dataclasses.dataclass(frozen=True)
class Bar:
    """What a row is to be at least, or at most; `unit` follows the number."""
    limit: float
    unit: str = "x"
    at_most: bool = False

    def __str__(self):
        return f"bar: at {'most' if self.at_most else 'least'} {self.show(self.limit)}"

    def show(self, value):
        return f"{value:.0%}" if self.unit == "%" else f"{value:.2f}".rstrip("0").rstrip(".") + self.unit


class Report:
    """Rows, printed as they come and kept in bench/results/NAME.json."""

    def __init__(self, name, machine, **fields):
        self._name, self._machine, self._fields = name, machine, fields
        self._rows, self._skipped = [], []

    def row(self, measure, value, bar, sides, unit):
        """`value` is what `bar` (or None) is about; `sides` name the spreads, in
        `unit`, that it comes of."""
        shown = ", ".join(f"{name} {spread}" for name, spread in sides.items())
        judged = f" = {bar.show(value)} ({bar})" if bar else ""
        print(f"{measure}: {shown} {unit}{judged}", flush=True)
        self._rows.append({
            "measure": measure, "value": value, "bar": dataclasses.asdict(bar) if bar else None, "unit": unit,
            "sides": {name: dataclasses.asdict(spread) for name, spread in sides.items()}})
        self._save()

    def ratio(self, measure, sides, bar, unit, against=None):
        """Our median over that of `against`, by default the best other side."""
        against = against or best(sides)
        if against is None or against not in sides:
            return self.skip(measure, "there is nothing to compare with")
        self.row(f"{measure} against {against}", sides["ours"].median / sides[against].median, bar, sides, unit)

    def skip(self, what, why):
        print(f"SKIPPED {what}: {why}", flush=True)
        self._skipped.append({"what": what, "why": why})
        self._save()

    def _save(self):
        save_results(self._name, thrown_away=self._machine.num_thrown_away, **self._fields,
                     rows=self._rows, skipped=self._skipped)
