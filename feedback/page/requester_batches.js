// Batches that were imported: accepted, waiting for a person, or refused.

import {isolated, make} from "/dom.js";
import {call, errorOf, openSession} from "/server.js";
import {detail, number, table} from "/tables.js";

const kTags = {accepted: " good", refused: " bad", retracted: " bad"};

function reportOf(batch) {
  if (!batch.report) return "–";
  const text = typeof batch.report === "string" ?
      batch.report : JSON.stringify(batch.report, null, 2);
  return detail("batch " + batch.batch_id, "Report of " + batch.batch_id,
                make("pre", {className: "report"}, text));
}

function when(ms) {
  return ms ? new Date(Number(ms)).toLocaleString() : "–";
}

// Who decides, and why; null if that is not told. The account's name counts
// where there is one.
async function askWhy(word, batch) {
  const session = await openSession();
  const reason = window.prompt(`Why ${word} batch ${batch.batch_id}? The ` +
                               "reason is kept in its report.");
  if (!reason || !reason.trim()) return null;
  const by = session.name || window.prompt("Your name, for the report:");
  return by && by.trim() ? {by: by.trim(), reason: reason.trim()} : null;
}

async function decide(word, batch) {
  const decision = await askWhy(word, batch);
  if (decision === null) return null;
  return call("POST", `/api/batches/${encodeURIComponent(batch.batch_id)}/` +
              word, decision);
}

function decideButton(label, word, batch, refresh) {
  const button = make("button", {type: "button", className: "quiet"}, label);
  button.dataset.key = word + " " + batch.batch_id;
  button.setAttribute("aria-label", label + ": " + batch.batch_id);
  const problem = make("span", {className: "problem"});
  button.addEventListener("click", async () => {
    button.disabled = true;
    problem.textContent = "";
    try {
      const reply = await decide(word, batch);
      if (reply !== null && reply.status === 200) return refresh();
      problem.textContent = reply === null ? "" : errorOf(reply);
    } catch (error) {
      problem.textContent = "not reached";
    }
    button.disabled = false;
  });
  return make("span", {}, button, problem);
}

// What waits for a person can be decided here.
function buttons(batch, refresh) {
  if (batch.state !== "quarantined") return "";
  return make("span", {className: "with-bar"},
              decideButton("Release", "release", batch, refresh),
              decideButton("Refuse", "refuse", batch, refresh));
}

// How many are asked for; grows when somebody wants to see more.
const kStep = 100;
const kMost = 1000;
let limit = kStep;

export const batchesPath = () =>
    "/api/batches" + (limit === kStep ? "" : "?limit=" + limit);

function moreButton(refresh) {
  const button = make("button", {type: "button", className: "quiet"},
                      "Show older batches");
  button.dataset.key = "older batches";
  button.addEventListener("click", () => {
    limit = Math.min(limit + kStep, kMost);
    refresh();
  });
  return button;
}

function moreOf(data, refresh) {
  if (!data.has_more) return [];
  return limit < kMost ? [moreButton(refresh)] : [
    make("p", {className: "hint"},
         "Older ones: rlhf feedback batches --before ID"),
  ];
}

export function showBatches([data], refresh) {
  const batches = data.batches;
  if (batches.length === 0) {
    return [make("p", {className: "hint"}, "No batch has come yet.")];
  }
  const heads = ["Batch", "Source", "Received", "Comparisons", "State", ""];
  return [table("Batches", heads,
                batches.flatMap((batch) => [[
                  isolated(batch.batch_id),
                  isolated(batch.source || "–"),
                  when(batch.received_unix_ms),
                  number(batch.comparisons),
                  make("span", {
                    className: "tag" + (kTags[batch.state] || ""),
                  }, batch.state || "–"),
                  buttons(batch, refresh),
                ], [reportOf(batch)]])),
          ...moreOf(data, refresh)];
}
