// The parts of the worker's page, of which one is on screen, and the line above
// them.

import {element} from "/dom.js";

// `kind`: "good", "bad" or nothing.
export function notify(text, kind) {
  element("notice").textContent = text;
  element("notice").className = kind || "";
}

export function show(id) {
  for (const part of ["sign-in", "waiting", "task"]) {
    element(part).hidden = part !== id;
  }
}

export function showWaiting(title, text, moving) {
  element("waiting-title").textContent = title;
  element("waiting-text").textContent = text;
  element("waiting-dots").hidden = !moving;
  show("waiting");
}

export function showProgress(stats) {
  const goal = stats.max_comparisons;
  element("own-count").textContent = "You: " + stats.worker_comparisons;
  element("all-count").textContent =
      "All: " +
      (goal ? stats.num_answers + " of " + goal : stats.num_comparisons);
  element("all-progress").hidden = !goal;
  if (goal) element("all-progress").value = stats.num_answers / goal;
}
