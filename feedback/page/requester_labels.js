// How many labels there are, how fast they come, what they cost.

import {make} from "/dom.js";
import {columns} from "/charts.js";
import {figures, number, percent} from "/tables.js";

export function showLabels([stats, summary]) {
  const goal = stats.max_comparisons;
  const entries = [
    ["Comparisons", String(stats.num_comparisons),
     !goal ? "" : stats.num_answers === stats.num_comparisons ? "of " + goal :
         stats.num_answers + " of " + goal + " answers"],
    ["Taken back", String(stats.num_retracted),
     "of all; their words are gone"],
    ["Decided", String(stats.num_decided), "one side is better"],
    ["Workers", String(stats.num_workers)],
    ["Tasks ready", String(stats.num_ready_tasks)],
    ["In work", String(stats.num_leased_tasks)],
    ["Imported", String(summary.imported)],
    ["Extra", String(summary.extra), "came late; paid, not learned from"],
    ["Flagged", String(summary.flagged), "somebody should look"],
    ["Left side chosen", percent(summary.left_share), "of decided answers"],
    ["Skipped", String(summary.skipped)],
    ["Spend", summary.price_per_answer > 0 ? number(summary.spend, 2) : "–",
     summary.price_per_answer > 0 ?
         "at " + summary.price_per_answer + " an answer" :
         "no price_per_answer"],
  ];
  const parts = [figures(entries)];
  if (goal) {
    const progress = make("progress", {
      max: goal, value: Math.min(goal, stats.num_answers),
      className: "wide",
    });
    progress.setAttribute("aria-label", "Answers of all that are wanted");
    parts.unshift(progress);
  }
  return parts;
}

export function showRate([summary]) {
  const counts = summary.answers_per_bin;
  const total = counts.reduce((sum, count) => sum + count, 0);
  const label = `Answers in each ${summary.bin_minutes} minutes of the last ` +
      `hour, oldest first: ${counts.join(", ")}`;
  return [
    make("p", {className: "big"}, make("strong", {}, String(total)),
         " answers in the last hour"),
    columns(counts, label),
    make("p", {className: "hint"},
         `${summary.bin_minutes} minutes a column; the last one still runs`),
  ];
}
