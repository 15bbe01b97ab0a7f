// Batches that were imported: accepted, waiting for a person, or refused.

import {isolated, make} from "/dom.js";
import {detail, table} from "/tables.js";

function reportOf(batch) {
  if (!batch.report) return "–";
  const text = typeof batch.report === "string" ?
      batch.report : JSON.stringify(batch.report, null, 2);
  return detail("batch " + batch.batch_id, "Report", make("pre", {}, text));
}

function when(ms) {
  return ms ? new Date(Number(ms)).toLocaleString() : "–";
}

export function showBatches([data]) {
  const batches = Array.isArray(data) ? data : data.batches || [];
  if (batches.length === 0) {
    return [make("p", {className: "hint"}, "No batch has come yet.")];
  }
  return [table("Batches", ["Batch", "Source", "Received", "State", "Report"],
                batches.map((batch) => [
                  isolated(batch.batch_id),
                  isolated(batch.source || "–"),
                  when(batch.received_unix_ms),
                  make("span", {
                    className: "tag" +
                        (batch.state === "accepted" ? " good" :
                         batch.state === "refused" ? " bad" : ""),
                  }, batch.state || "–"),
                  reportOf(batch),
                ]))];
}
