// The newest comparisons, both answers side by side.

import {isolated, make} from "/dom.js";
import {detail} from "/tables.js";

const kNames = {user: "Human", assistant: "Assistant", system: "Instructions"};
const kWords = {1: "slightly ", 2: "", 3: "much "};

function verdictOf(comparison) {
  const side = comparison.choice === "A_BETTER" ? "A" :
               comparison.choice === "B_BETTER" ? "B" : null;
  if (side) return `${side} is ${kWords[comparison.strength] || ""}better`;
  return {TIE: "About the same", BOTH_BAD: "Both are bad", SKIPPED: "Skipped",
          RETRACTED: "Retracted"}[comparison.choice] || comparison.choice;
}

const policy = (version) =>
    (Number(version) < 0 ? "policy unknown" : "policy v" + version);

function answer(side, text, version, isBetter) {
  return make("div", {className: isBetter ? "sample better" : "sample"},
              make("h4", {}, side, " ",
                   make("span", {className: "hint"}, policy(version)),
                   ...(isBetter ? [make("span", {className: "tag good"},
                                        "better")] : [])),
              make("div", {className: "words", dir: "auto", tabIndex: 0},
                   text));
}

function notesOf(comparison) {
  const notes = [
    ["Comment", comparison.comment],
    ["Their own version", comparison.edited_response],
    ["Why skipped", comparison.skip_reason],
  ].filter(([, text]) => text);
  return notes.map(([name, text]) =>
      make("div", {className: "note"}, make("h4", {}, name),
           make("div", {className: "words", dir: "auto"}, text)));
}

function summaryOf(comparison) {
  const messages = comparison.prompt?.messages || [];
  const last = messages.length > 0 ? messages[messages.length - 1].content : "";
  const box = make("span", {className: "line"},
                   make("span", {className: "seq"}, "#" + comparison.seq),
                   make("span", {className: "tag"}, verdictOf(comparison)));
  if (comparison.flagged) {
    box.append(make("span", {className: "tag bad"}, "flagged"));
  }
  if (comparison.extra) {
    box.append(make("span", {className: "tag warn"}, "extra"));
  }
  if (comparison.task_kind === "RED_TEAM") {
    box.append(make("span", {className: "tag warn"}, "red team"));
  }
  box.append(make("bdi", {className: "prompt"}, last.slice(0, 200)),
             make("span", {className: "who"}, isolated(comparison.worker_id),
                  comparison.worker_seconds > 0 ?
                      `, ${comparison.worker_seconds.toFixed(0)} s` : ""));
  return box;
}

function dialogueOf(comparison) {
  return (comparison.prompt?.messages || []).map((message) =>
      make("p", {className: "turn", dir: "auto"},
           make("span", {className: "hint"},
                (kNames[message.role] || message.role) + ": "),
           message.content));
}

export function showSamples([{comparisons}]) {
  if (comparisons.length === 0) {
    return [make("p", {className: "hint"}, "Nobody has compared yet.")];
  }
  return comparisons.map((comparison) => detail(
      "sample " + comparison.seq, summaryOf(comparison),
      ...dialogueOf(comparison),
      make("div", {className: "samples"},
           answer("A", comparison.response_a, comparison.policy_version_a,
                  comparison.choice === "A_BETTER"),
           answer("B", comparison.response_b, comparison.policy_version_b,
                  comparison.choice === "B_BETTER")),
      ...notesOf(comparison)));
}
