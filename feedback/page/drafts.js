// What a worker has begun to say about a task, kept until it is saved.

import {forget, keysWith, load, store} from "/storage.js";

const kPrefix = "draft/";
// Older ones are dropped: their tasks have gone to others.
const kMaxDrafts = 20;

export const loadDraft = (taskId) => load(kPrefix + taskId) || {};

export function saveDraft(taskId, draft) {
  store(kPrefix + taskId, {...draft, at: Date.now()});
}

export const forgetDraft = (taskId) => forget(kPrefix + taskId);

export function dropOldDrafts() {
  const age = (key) => (load(key) || {}).at || 0;
  const newestFirst = keysWith(kPrefix).sort((a, b) => age(b) - age(a));
  newestFirst.slice(kMaxDrafts).forEach(forget);
}
