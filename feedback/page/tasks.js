// Asks the server for a task, and how far the run is.

import {call, errorOf, pause} from "/server.js";
import {notify, showProgress, showWaiting} from "/screen.js";

const kPollMs = 2000;

// Resolves to {task, leaseEndsAt}, to {complete: true}, or to null once
// `isOver()`; retries without end.
export async function askForTask(worker, isOver) {
  let offline = false;
  while (!isOver()) {
    let reply = null;
    try {
      reply = await call("POST", "/api/task", {worker_id: worker});
      if (offline) notify("");
      offline = false;
    } catch (error) {
      offline = true;
      notify("The server cannot be reached. Trying again…", "bad");
    }
    if (isOver()) return null;
    const found = reply && readReply(reply);
    if (found) return found;
    await pause(kPollMs);
  }
  return null;
}

// Null: ask again later.
function readReply(reply) {
  switch (reply.status) {
    case 200:
      return {
        task: reply.data,
        leaseEndsAt: Date.now() + 1000 * reply.data.lease_seconds,
      };
    case 410:
      return {complete: true};
    case 204:
      showWaiting("One moment", "The next answers are being written.", true);
      return null;
    case 403:
      showWaiting("No task for you now", errorOf(reply), false);
      return null;
    default:
      notify(errorOf(reply), "bad");
      return null;
  }
}

// Asks once: a fresh lease of the task that the worker has, or another task.
// Null: none could be had.
export async function renewTask(worker) {
  const reply = await call("POST", "/api/task", {worker_id: worker})
                    .catch(() => null);
  return reply !== null && reply.status === 200 ? readReply(reply) : null;
}

export async function updateProgress(worker) {
  const path = "/api/stats?worker_id=" + encodeURIComponent(worker);
  const reply = await call("GET", path).catch(() => null);
  if (reply !== null && reply.status === 200) showProgress(reply.data);
}
