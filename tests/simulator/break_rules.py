#!/usr/bin/env python3
"""Copies production sources with rules that a test can break.

    break_rules.py SOURCE_ROOT FILE... OUTPUT_FOLDER

In the copy of FILE each condition of BROKEN asks IsBroken("RULE") too
(broken_rule.h), so that one program can break one rule after the other and
production code knows nothing of it. Exits 1 if a condition does not stand in
its file exactly once: the rule then has to follow the code.
"""

import pathlib
import sys

BROKER = "trainer/experience/rollout_broker.cc"
ALIASES = "core/registry/alias_rules.cc"
APPENDING = "feedback/append_plan.cc"
STORE = "feedback/preference_store.cc"
ANSWERS = "feedback/task_scheduler_answers.cc"
RESUMED = "feedback/resumed_tasks.cc"

# File -> (rule, what stands there, what stands in the copy).
BROKEN = {
    BROKER: [
        ("a late result is taken",
         "if (rollout.attempt() < slot.attempt) {",
         "if (!{BROKEN} && rollout.attempt() < slot.attempt) {"),
        ("a rollout is counted twice",
         "  if (slot.accepted) {\n    return",
         "  if (slot.accepted && !{BROKEN}) {\n    return"),
        ("a rollout is counted twice",
         "  RLHF_CHECK(!slot.accepted) << rollout.rollout_id();",
         "  RLHF_CHECK(!slot.accepted || {BROKEN});"),
        ("no reward counts as one",
         "  if (!rollout.has_reward() || !std::isfinite(rollout.reward())) {",
         "  if (!{BROKEN} && "
         "(!rollout.has_reward() || !std::isfinite(rollout.reward()))) {"),
        ("a lease never ends",
         "if (slot.accepted || slot.lease_end > now) continue;",
         "if (slot.accepted || slot.lease_end > now || "
         "({BROKEN} && slot.attempt > 0)) continue;"),
        ("finished work is thrown away",
         "if (!gate_.Admits(rollout.policy_version(), name->update)) {",
         "if (!gate_.Admits(rollout.policy_version(), name->update) || "
         "({BROKEN} && rollout.policy_version() < name->update - 1)) {"),
        ("the newest prompt goes first",
         "if (!batch.open || !gate_.Admits(policy_version, update)) continue;",
         "if (!batch.open || !gate_.Admits(policy_version, update)) continue;\n"
         "    if ({BROKEN} && update != batches_.rbegin()->first &&\n"
         "        gate_.Admits(policy_version, batches_.rbegin()->first) &&\n"
         "        batches_.rbegin()->second.num_accepted == 0) continue;"),
        ("a policy may be too old",
         "schedule_(schedule), gate_(options.max_staleness) {}",
         "schedule_(schedule),\n      "
         "gate_(options.max_staleness + ({BROKEN} ? 1 : 0)) {}"),
        ("a reward may be of another PM",
         "  if (rollout.pm().version() != pm.version() ||\n"
         "      rollout.pm().digest() != pm.digest()) {",
         "  if (!{BROKEN} && (rollout.pm().version() != pm.version() ||\n"
         "      rollout.pm().digest() != pm.digest())) {"),
    ],
    ALIASES: [
        ("a promotion is made on an old view",
         "if (serving != expected_serving) {",
         "if (serving != expected_serving && !{BROKEN}) {"),
        ("what served is forgotten",
         "if (serving.has_value()) aliases[kPrevious] = *serving;",
         "if (serving.has_value() && !{BROKEN}) "
         "aliases[kPrevious] = *serving;"),
        ("a trial outlives its promotion",
         "if (FindAlias(aliases, trial) == version) aliases.erase(trial);",
         "if (FindAlias(aliases, trial) == version && !{BROKEN}) "
         "aliases.erase(trial);"),
    ],
    APPENDING: [
        ("a retry is stored again",
         "  if (stored != by_id_.end()) {",
         "  if (stored != by_id_.end() && !{BROKEN}) {"),
    ],
    STORE: [
        ("saved is said of what is not",
         "  if (!committed.ok()) {",
         "  if (!committed.ok() && !{BROKEN}) {"),
    ],
    ANSWERS: [
        ("a worker answers a task twice",
         "  if (HasAnswered(entry, worker_id) && "
         "!entry.leases.contains(worker_id)) {",
         "  if (!{BROKEN} && HasAnswered(entry, worker_id) && "
         "!entry.leases.contains(worker_id)) {"),
    ],
    RESUMED: [
        ("a restart does not ask the log",
         "  if (by_content_.empty() || "
         "comparison.choice() == v1::RETRACTED ||",
         "  if ({BROKEN} || by_content_.empty() || "
         "comparison.choice() == v1::RETRACTED ||"),
    ],
}


def break_rules(path, text):
    for rule, whole, broken in BROKEN[path]:
        if text.count(whole) != 1:
            sys.exit(f"{path}: \"{whole}\", which \"{rule}\" breaks, stands "
                     f"there {text.count(whole)} times, wanted once: bring "
                     "tests/simulator/break_rules.py up to date")
        text = text.replace(
            whole, broken.replace("{BROKEN}", f"IsBroken(\"{rule}\")"))
    return '#include "tests/simulator/broken_rule.h"\n\n' + text


def main():
    root, *paths, output = sys.argv[1:]
    for path in paths:
        text = pathlib.Path(root, path).read_text(encoding="utf-8")
        copy = pathlib.Path(output, pathlib.Path(path).name)
        copy.write_text(break_rules(path, text), encoding="utf-8")


if __name__ == "__main__":
    main()
