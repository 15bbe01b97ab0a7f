// Who works, how well, and how far they agree.

import {isolated, make} from "/dom.js";
import {call, errorOf} from "/server.js";
import {bar} from "/charts.js";
import {figures, number, percent, table} from "/tables.js";

function withBar(share, label) {
  if (typeof share !== "number") return "–";
  return make("span", {className: "with-bar"}, bar(share, label),
              percent(share));
}

function gold(worker) {
  if (!worker.gold_answers) return "–";
  const box = withBar(worker.gold_correct / worker.gold_answers,
                      "right on gold questions");
  box.append(make("span", {className: "hint"},
                  `${worker.gold_correct} of ${worker.gold_answers}`));
  return box;
}

function pauseButton(worker, refresh) {
  const button = make("button", {type: "button", className: "quiet"},
                      worker.paused ? "Let work" : "Pause");
  button.dataset.key = "pause " + worker.worker_id;
  button.setAttribute("aria-label",
                      button.textContent + ": " + worker.worker_id);
  button.addEventListener("click", async () => {
    button.disabled = true;
    const reply = await call("POST", "/api/workers/pause", {
      worker_id: worker.worker_id, paused: !worker.paused,
    }).catch(() => null);
    if (reply !== null && reply.status === 200) return refresh();
    button.disabled = false;
    button.after(make("span", {className: "problem"},
                      reply ? errorOf(reply) : "not reached"));
  });
  return button;
}

export function showWorkers([data], refresh) {
  const workers = data;
  if (workers.length === 0) {
    return [make("p", {className: "hint"}, "Nobody has answered yet.")];
  }
  const most = Math.max(...workers.map((worker) => worker.answers));
  return [table("Workers", [
    "Worker", "Answers", "Gold", "Verdict", "Left side", "Median time",
    "Agreement", "",
  ], workers.map((worker) => [
    isolated(worker.worker_id),
    make("span", {className: "with-bar"},
         bar(worker.answers / Math.max(1, most), "share of the busiest"),
         String(worker.answers)),
    gold(worker),
    make("span", {className: worker.paused ? "tag bad" : "tag"},
         worker.paused ? "paused" : worker.verdict || "–"),
    percent(worker.left_share),
    typeof worker.median_seconds === "number" ?
        number(worker.median_seconds, 1) + " s" : "–",
    percent(worker.agreement),
    pauseButton(worker, refresh),
  ]))];
}

function copiesOf(copies) {
  return table("Workers who may copy", [
    "Worker", "Copies from", "Equal answers", "By chance at most",
  ], copies.map((one) => [
    isolated(one.copier), isolated(one.source),
    `${one.equal} of ${one.shared}`, percent(one.explained),
  ]));
}

// Every figure that the server tells, under its own name.
export function showAgreement([data]) {
  const copies = data.copies || [];
  const entries = Object.entries(data)
      .filter(([, value]) => value === null || typeof value === "number")
      .map(([name, value]) => [
        name.replaceAll("_", " "),
        Number.isInteger(value) ? String(value) : number(value, 3),
      ]);
  return [
    figures(entries),
    make("p", {className: "hint"},
         "On tasks that several workers answered; 1 is full agreement, 0 is " +
         "what chance would give."),
    ...(copies.length > 0 ? [copiesOf(copies)] : []),
  ];
}
