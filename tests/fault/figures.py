"""What the soak measures, as functions of what it has seen.

Effective training time. A wait is the time from one update that got further
than any before to the next such update: updates that a restarted learner makes
again do not end it. What waits are like without faults is measured before the
first one. From the first fault to the end of the last one's recovery, a wait
that is longer than twice the 95th percentile of those, and than SHORTEST, is a
standstill, and what it has beyond their median is lost: where updates take
hundredths of a second, a PM that trains on the same cores doubles a wait. Time in which the learner was paused by
order counts neither as lost nor at all. The share of the rest that was not
lost is the effective training time.

Memory. The slope of resident memory over time by least squares, one slope for
all lives of a role and a level for each life: a process that was killed and
started again has a level of its own. The first WARM_UP seconds of a life do not
count, nor do lives that are shorter than LIFE after it. A slope of less than
MEASURED seconds of lives is that of buffers which still fill, and is not judged.
"""

import statistics

SHORTEST = 0.5  # seconds
WARM_UP = 30  # seconds
LIFE = 45
MEASURED = 600
# Samples at either end of a life whose median is its number of descriptors.
ENDS = 5
MIB = 1024 * 1024


def waits(times):
    """Seconds between one update and the next."""
    return [later - earlier for earlier, later in zip(times, times[1:])]


def furthest(updates):
    """Of (time, number of the update): the times of those that got further
    than all before them."""
    reached, times = 0, []
    for time, number in updates:
        if number > reached:
            reached = number
            times.append(time)
    return times


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def overlap(begin, end, spans):
    """Seconds of begin..end that lie in one of `spans`, which are disjoint."""
    return sum(max(0.0, min(end, last) - max(begin, first))
               for first, last in spans)


def effective_time(times, begin, end, pauses):
    """(share, seconds lost) between `begin` and `end`; `times` are furthest()'s
    of the whole run."""
    quiet = waits([time for time in times if time <= begin])
    usual = statistics.median(quiet)
    standstill = max(2 * percentile(quiet, 0.95), SHORTEST)
    lost = 0.0
    marks = [begin, *(t for t in times if begin < t < end), end]
    for first, last in zip(marks, marks[1:]):
        wait = last - first - overlap(first, last, pauses)
        if wait > standstill:
            lost += wait - usual
    total = end - begin - overlap(begin, end, pauses)
    return 1 - lost / total, lost


def settled(life):
    """The samples (time, bytes, descriptors) of a life that count; none of a
    life that is too short."""
    late = [sample for sample in life if sample[0] >= life[0][0] + WARM_UP]
    return late if late and late[-1][0] - late[0][0] >= LIFE else []


def memory_slope(lives):
    """MiB a minute over all lives of a role, and the seconds of these; (None, 0)
    if none is long enough."""
    above = below = seconds = 0.0
    for life in filter(None, map(settled, lives)):
        seconds += life[-1][0] - life[0][0]
        time = statistics.fmean(sample[0] for sample in life)
        level = statistics.fmean(sample[1] for sample in life)
        above += sum((s[0] - time) * (s[1] - level) for s in life)
        below += sum((s[0] - time) ** 2 for s in life)
    return (None, 0) if below == 0 else (above / below * 60 / MIB, seconds)


def descriptor_growth(lives):
    """The largest growth of open descriptors in one life; None if none is long
    enough."""
    grown = [statistics.median(s[2] for s in life[-ENDS:]) -
             statistics.median(s[2] for s in life[:ENDS])
             for life in filter(None, map(settled, lives))]
    return max(grown, default=None)
