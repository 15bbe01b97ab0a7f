// The form under the answers: what the worker says about them.

import {element, make} from "/dom.js";
import {choicesOf, isRedTeam, kInterfaceVersion, sideOf} from "/choices.js";

let task = null;
let choices = [];
let chosen = null;
let flagged = false;
// The worker's own text for each side; null: not edited.
let edits = {left: null, right: null};
let onChange = () => {};

function makeChoice(choice) {
  const input = make("input", {
    type: "radio",
    name: "choice",
    value: choice.key,
    id: "choice-" + choice.key,
  });
  input.setAttribute("aria-keyshortcuts", choice.key);
  input.addEventListener("change", () => choose(choice.key));
  const words = make("span", {className: "words"}, choice.label);
  return make("label", {className: "choice side-" + (sideOf(choice) || "none")},
              input, words, " ", make("kbd", {}, choice.key.toUpperCase()));
}

export function startJudgement(changed) {
  onChange = changed;
  element("flag").addEventListener("click", toggleFlag);
  element("toggle-comment").addEventListener("click", toggleComment);
  element("toggle-edit").addEventListener("click", toggleEdit);
  element("comment").addEventListener("input", onChange);
  element("skip-reason").addEventListener("input", onChange);
  element("edited").addEventListener("input", () => {
    edits[sideOf(chosen)] = element("edited").value;
    onChange();
  });
}

// Empties the form for a task, or fills it with what was begun.
export function openJudgement(next, draft) {
  task = next;
  choices = choicesOf(task);
  chosen = choices.find(({key}) => key === draft.key) || null;
  flagged = draft.flagged === true;
  edits = {left: null, right: null, ...draft.edits};
  element("comment").value = draft.comment || "";
  element("skip-reason").value = draft.skip_reason || "";
  element("comment-row").hidden = !draft.comment;
  element("scale").replaceChildren(
      ...choices.filter((choice) => choice.onScale).map(makeChoice));
  element("others").replaceChildren(
      ...choices.filter((choice) => !choice.onScale).map(makeChoice));
  show();
}

function show() {
  for (const choice of choices) {
    element("choice-" + choice.key).checked = choice === chosen;
  }
  const side = sideOf(chosen);
  const editing = side !== null && edits[side] !== null;
  element("skip-row").hidden = !chosen || chosen.choice !== "skip";
  element("toggle-edit").hidden = isRedTeam(task);
  element("toggle-edit").disabled = side === null;
  element("toggle-edit").setAttribute("aria-expanded", String(editing));
  element("edit-row").hidden = !editing;
  if (editing) {
    element("edit-label").textContent =
        "Your version of answer " + (side === "left" ? "A" : "B");
    if (element("edited").value !== edits[side]) {
      element("edited").value = edits[side];
    }
  }
  element("toggle-comment").setAttribute(
      "aria-expanded", String(!element("comment-row").hidden));
  element("flag").setAttribute("aria-pressed", String(flagged));
  element("submit").disabled = chosen === null;
}

function changed() {
  show();
  onChange();
}

export function choose(key) {
  const found = choices.find((choice) => choice.key === key);
  if (!found) return;
  chosen = found;
  changed();
}

// As choose, and on to what comes next.
export function chooseByKey(key) {
  choose(key);
  if (!chosen || chosen.key !== key) return;
  if (chosen.choice === "skip") {
    element("skip-reason").focus();
  } else {
    element("choice-" + key).focus({preventScroll: true});
  }
}

export function toggleFlag() {
  flagged = !flagged;
  changed();
}

export function toggleComment() {
  const row = element("comment-row");
  row.hidden = !row.hidden;
  if (row.hidden) element("comment").value = "";
  changed();
  if (!row.hidden) element("comment").focus();
}

export function toggleEdit() {
  const side = sideOf(chosen);
  if (side === null || isRedTeam(task)) return;
  edits[side] = edits[side] === null ? task[side] : null;
  changed();
  if (edits[side] !== null) element("edited").focus();
}

export const chosenLabel = () => (chosen ? chosen.label : "");
export const hasChoice = () => chosen !== null;

// To be kept, and given to openJudgement again.
export function draftOfJudgement() {
  return {
    key: chosen && chosen.key,
    flagged,
    edits,
    comment: element("comment").value,
    skip_reason: element("skip-reason").value,
  };
}

// The members of an answer that this form knows; those that are empty are left
// out.
export function readJudgement() {
  const answer = {choice: chosen.choice};
  const edited = edits[sideOf(chosen)];
  const comment = element("comment").value.trim();
  const reason = element("skip-reason").value.trim();
  if (chosen.strength > 0) answer.strength = chosen.strength;
  if (chosen.choice === "skip" && reason) answer.skip_reason = reason;
  if (comment) answer.comment = comment;
  if (flagged) answer.flagged = true;
  if (edited && edited.trim() && edited !== task[sideOf(chosen)] &&
      !isRedTeam(task)) {
    answer.edited_response = edited;
  }
  answer.interface_version = kInterfaceVersion;
  return answer;
}
