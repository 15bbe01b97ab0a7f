// Answers on their way. An answer waits here, so that it can be taken back, and
// then is sent, with the same id, until the server has decided. It lives in the
// browser's storage meanwhile: neither a reload nor a lost connection loses it,
// and the id keeps it from being stored twice.

import {forgetDraft, loadDraft} from "/drafts.js";
import {keep as keepWords, wordsOf} from "/kept.js";
import {forget, keysWith, load, store} from "/storage.js";
import {call, errorOf, mayPass, pause} from "/server.js";

export const kHoldMs = 60000;
// An answer is on its way so long before its lease ends: afterwards somebody else
// may have the task.
const kBeforeLeaseEndMs = 5000;
const kPrefix = "outbox/";
const kMaxEntries = 50;
const kRetryMs = [500, 1000, 2000, 4000, 8000];

// Kept in memory too, for browsers that keep nothing.
const entries = new Map();

for (const key of keysWith(kPrefix)) {
  const entry = load(key);
  if (entry && entry.answer) entries.set(entry.answer.comparison_id, entry);
}

function keep(entry) {
  return store(kPrefix + entry.answer.comparison_id, entry);
}

// Answers of `worker` that the server has not acknowledged, oldest first.
export function pendingOf(worker) {
  return [...entries.values()]
      .filter((entry) => entry.answer.worker_id === worker)
      .sort((a, b) => a.dueAt - b.dueAt);
}

// What others left behind here does not count.
export const hasRoom = (worker) => pendingOf(worker).length < kMaxEntries;

// `task` and `label` are for showing it again after a reload, which `isKept` says
// that it outlasts. The lease, which ends at `task.leaseEndsAt`, is not outlasted.
export function hold(answer, task, label) {
  const now = Date.now();
  const dueAt = Math.min(now + kHoldMs,
                         Math.max(now, task.leaseEndsAt - kBeforeLeaseEndMs));
  const entry = {answer, task, label, dueAt};
  entries.set(answer.comparison_id, entry);
  return Object.assign(entry, {isKept: keep(entry)});
}

export function drop(entry) {
  entries.delete(entry.answer.comparison_id);
  forget(kPrefix + entry.answer.comparison_id);
}

// Ends when the connection may be back, or after the pause of this attempt.
function waitToRetry(attempt) {
  const back = new Promise((resolve) =>
      addEventListener("online", resolve, {once: true}));
  return Promise.race(
      [back, pause(kRetryMs[Math.min(attempt, kRetryMs.length - 1)])]);
}

// Sends what others left behind in this browser, in the background.
export function sendOthers(worker) {
  for (const entry of entries.values()) {
    if (entry.answer.worker_id !== worker) send(entry, () => {});
  }
}

// Its words go where the worker sees them and why they were not taken, and into
// the room that it and its draft had in the browser: there may be no other.
function keepRefused(entry, why) {
  const {answer, task, label} = entry;
  const words = wordsOf(answer, loadDraft(answer.task_id).turn);
  drop(entry);
  forgetDraft(answer.task_id);
  keepWords(answer.worker_id, {
    title: "Your answer: " + label,
    why: "Not saved: " + why,
    words,
    task,
  });
}

// Sends until the server has decided: {saved: true, extra} once it is stored for
// good, extra if it came late and counts for nothing but its worker's time;
// {saved: false, error} if it is refused. `onTrouble(text)` hears of each
// attempt that failed.
export async function send(entry, onTrouble) {
  const reply = await insist("/api/comparison", entry.answer, onTrouble);
  const saved = reply.status === 200;
  if (saved) {
    drop(entry);
  } else {
    keepRefused(entry, errorOf(reply));
  }
  return saved ? {saved, extra: reply.data?.extra === true} :
                 {saved, error: errorOf(reply)};
}

// Posts again and again until the reply will not change any more.
export async function insist(path, body, onTrouble) {
  for (let attempt = 0;; ++attempt) {
    let reply = null;
    try {
      reply = await call("POST", path, body);
    } catch (error) {
      // Not reached.
    }
    if (!mayPass(reply)) return reply;
    onTrouble(reply === null ? "the server cannot be reached" : errorOf(reply));
    await waitToRetry(attempt);
  }
}
