"""The invariants, judged by what a run left behind: each function takes plain
data and returns a Verdict. docs/soak.md says what each means."""

import collections
import dataclasses
import re

import figures


@dataclasses.dataclass(frozen=True)
class Verdict:
    """holds: None where there was too little to judge by."""
    invariant: str
    holds: bool | None
    figure: str


def _verdict(invariant, wrong, figure):
    """Holds if there is nothing in `wrong`, of which the first is told."""
    if wrong:
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        return Verdict(invariant, False, wrong[0] + more)
    return Verdict(invariant, True, figure)


# What made an update, and what came of it: the same when it is made again.
_MADE = ("policy_version", "pm", "parameter_hash", "reward_mean", "left_out")


def updates_in_order(lines, starts, checkpoint_every):
    """1, 2, 3, …; a learner that was started again goes back to a checkpoint
    and makes the same updates to the bit."""
    wrong, first_made, last, steps_back = [], {}, 0, 0
    for line in lines:
        number = int(line["update"])
        if number <= last:
            steps_back += 1
            # One checkpoint may have been under way.
            if last - number >= 2 * checkpoint_every:
                wrong.append(f"update {number} again after {last}: further "
                             "back than two checkpoints")
        elif number != last + 1:
            wrong.append(f"update {number} follows {last}")
        made = {name: line.get(name) for name in _MADE}
        if first_made.setdefault(number, made) != made:
            wrong.append(f"update {number} was made again and differs")
        last = number
    if steps_back >= max(starts, 1):
        wrong.append(f"updates were made again {steps_back} times, but the "
                     f"learner was started {starts} times")
    return _verdict("updates 1, 2, 3, …", wrong,
                    f"{len(first_made)} updates, "
                    f"{len(lines) - len(first_made)} made again, to the bit")


def versions_rise(lines):
    """policy_version grows with every further update."""
    versions = {int(l["update"]): int(l["policy_version"]) for l in lines}
    pairs = sorted(versions.items())
    wrong = [f"update {b} published v{w} after v{v}"
             for (_, v), (b, w) in zip(pairs, pairs[1:]) if w <= v]
    last = pairs[-1][1] if pairs else 0
    return _verdict("I3 policy versions rise", wrong, f"up to v{last}")


def staleness_bounded(lines, bound):
    """No rollout is trained on that is older than ppo.max_staleness."""
    worst = max((int(line.get("staleness_max", 0)) for line in lines),
                default=0)
    wrong = [f"staleness {worst}, wanted at most {bound}"] \
        if worst > bound else []
    return _verdict("I3 no stale sample", wrong,
                    f"at most {worst} of {bound} versions")


def one_pm_per_batch(lines, transitions, digests):
    """The PM of a batch is one that served, with the weights of its card."""
    served = {t["aliases"].get("serving") for t in transitions}
    wrong, seen = [], set()
    for line in lines:
        pm = line.get("pm", {})
        version = int(pm.get("version", 0))
        seen.add(version)
        if version not in served:
            wrong.append(f"update {line['update']} was rewarded by PM "
                         f"v{version}, which never served")
        elif pm.get("digest") != digests.get(version):
            wrong.append(f"update {line['update']}: PM v{version} has another "
                         "digest than its card")
    return _verdict("I4 one PM per batch, one that serves", wrong,
                    f"{len(seen)} PMs rewarded")


def rollouts_once(batches):
    """A rollout stands in one batch, once, and was scored by its batch's PM."""
    wrong, seen = [], {}
    for batch in batches:
        for name, pm in batch.rollouts:
            if name in seen:
                wrong.append(f"rollout {name} is in the batches of updates "
                             f"{seen[name]} and {batch.update}")
            seen[name] = batch.update
            if pm != batch.pm:
                wrong.append(f"rollout {name} was scored by PM v{pm} in a "
                             f"batch of PM v{batch.pm}")
    if not seen:
        wrong.append("there are no rollouts")
    return _verdict("I2 a rollout is trained on once", wrong,
                    f"{len(seen)} rollouts in {len(batches)} batches, each "
                    "by its batch's PM")


def promotions_allowed(transitions, passed, ordered):
    """`serving` moves to what the gate passed or a person ordered; `ordered`
    are the versions that orders named, in order."""
    wrong, serving, moves = [], None, 0
    for number, transition in enumerate(transitions, 1):
        if transition["seq"] != number:
            wrong.append(f"transition {transition['seq']} in place {number}")
        version = transition["aliases"].get("serving")
        if version == serving:
            continue
        serving, moves = version, moves + 1
        by = transition["by"]
        if not (by == "gate" and version in passed or
                by == "soak" and version in ordered):
            wrong.append(f"PM v{version} serves by {by}, whom neither gate "
                         "nor person allowed it")
    return _verdict("I7 only what may serve does", wrong,
                    f"{moves} promotions, the signed log proves")


def comparisons_kept(rows, acknowledged, crowd, verified):
    """What was acknowledged is there once, and nothing twice. `crowd`: answers
    acknowledged to each worker; `verified`: (comparisons, of them retracted) as
    the proof of the chain counts them."""
    ids = collections.Counter(row["comparison_id"] for row in rows)
    wrong = [f"{name} is there {count} times"
             for name, count in ids.items() if count > 1]
    wrong += [f"{name} was acknowledged and is lost"
              for name in acknowledged if name not in ids]
    workers = collections.Counter(row.get("worker_id") for row in rows)
    wrong += [f"{worker} has {workers[worker]} comparisons, and {count} were "
              "acknowledged" for worker, count in crowd.items()
              if workers[worker] < count]
    total, retracted = verified
    if len(rows) + retracted != total:
        wrong.append(f"{len(rows)} and {retracted} retracted are not {total}")
    known = len(acknowledged) + sum(crowd.values())
    return _verdict("I1 comparisons exactly once", wrong,
                    f"{total} in the log, {known} acknowledgements checked, "
                    "the chain holds")


def batches_kept(rows, batches):
    """`batches`: how many comparisons each imported batch must still have."""
    counted = collections.Counter(row.get("batch_id") for row in rows)
    wrong = [f"batch {batch} has {counted[batch]} comparisons, wanted {count}"
             for batch, count in batches.items() if counted[batch] != count]
    return _verdict("I1 batches whole or retracted", wrong,
                    f"{len(batches)} batches")


def orders_kept(records, given):
    """Each order whose answer came stands in the signed record once."""
    numbers = [int(record["order"]["seq"]) for record in records]
    wrong = [] if numbers == list(range(1, len(numbers) + 1)) else \
        [f"orders are numbered {numbers}"]
    if len(records) != given:
        wrong.append(f"{len(records)} orders recorded, {given} given")
    return _verdict("orders exactly once", wrong,
                    f"{given} orders, signatures proven")


_ENDED = re.compile(r"^([a-z0-9-]+) (was killed by signal (\d+)|exited "
                    r"with code \d+|stood still)", re.MULTILINE)


def nobody_died(log, killed):
    """In the log of `rlhf up`: no process ends but those that were killed, as
    often as they were; killed: {role: times}."""
    deaths, wrong = collections.Counter(), []
    for role, how, signal in _ENDED.findall(log):
        if signal == "9":
            deaths[role] += 1
        else:
            wrong.append(f"{role} {how}")
    for role in sorted(set(deaths) | set(killed)):
        if deaths[role] != killed.get(role, 0):
            wrong.append(f"{role} died of signal 9 {deaths[role]} times, and "
                         f"was killed {killed.get(role, 0)} times")
    return _verdict("I11 nobody dies unless killed", wrong,
                    f"{sum(deaths.values())} killed")


def restarts_counted(series, killed):
    """`series`: {(component, reason): count} of rlhf_restarts_total."""
    wrong = [f"{count:g} restarts of {role} by {reason}, wanted "
             f"{killed.get(role, 0) if reason == 'signal' else 0}"
             for (role, reason), count in series.items()
             if count != (killed.get(role, 0) if reason == "signal" else 0)]
    if not series:
        wrong.append("rlhf_restarts_total has no series")
    return _verdict("I9 each kill is counted, nothing else", wrong,
                    f"{sum(killed.values())} restarts by signal")


def all_recovered(outcomes, bound):
    """`outcomes`: (fault in words, seconds to recovery or None, what went
    wrong or "")."""
    wrong = [f"{fault}: {error}" for fault, _, error in outcomes if error]
    wrong += [f"{fault}: no progress within {bound} s"
              for fault, seconds, error in outcomes
              if seconds is None and not error]
    seconds = [s for _, s, _ in outcomes if s is not None]
    return _verdict("nobody hangs", wrong,
                    f"recovered within {max(seconds, default=0):.1f} s")


def effective(share, lost, least):
    return Verdict("effective training time", share >= least,
                   f"{100 * share:.1f} %, wanted {100 * least:.0f} %; "
                   f"{lost:.1f} s lost")


def memory_steady(role, slope, seconds, most):
    """`slope` of so many `seconds` of lives."""
    if slope is None:
        return Verdict(f"I10 memory of {role}", None, "no life long enough")
    told = f"{slope:+.2f} MiB/min, wanted at most {most:g}"
    if seconds < figures.MEASURED:
        return Verdict(f"I10 memory of {role}", None,
                       f"{told}; only {seconds:.0f} s of lives")
    return Verdict(f"I10 memory of {role}", slope <= most, told)


def descriptors_steady(role, growth, most):
    if growth is None:
        return Verdict(f"I10 descriptors of {role}", None,
                       "no life long enough")
    return Verdict(f"I10 descriptors of {role}", growth <= most,
                   f"{growth:+g}, wanted at most {most:+d}")


def ended_in_order(code, wanted):
    return Verdict("all processes end in order", code == wanted,
                   f"rlhf up ended with code {code}, wanted {wanted}")


def shortfall(traffic, wanted):
    """What was too little before the first fault, in words; "" if nothing."""
    return ", ".join(f"{traffic.get(name, 0)} {name}, wanted {least}"
                     for name, least in wanted.items()
                     if traffic.get(name, 0) < least)
