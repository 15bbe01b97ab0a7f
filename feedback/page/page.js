// The worker's page: asks for a task, shows it, sends the answer until the
// server says that it is saved. Everything that comes from the server is put in
// by textContent: a model's words are never HTML.
"use strict";

const kChoices = [
  {key: "1", label: "A is much better", choice: "left_better", strength: 3},
  {key: "2", label: "A is better", choice: "left_better", strength: 2},
  {key: "3", label: "A is slightly better", choice: "left_better", strength: 1},
  {key: "4", label: "About the same", choice: "tie", strength: 0},
  {key: "5", label: "B is slightly better", choice: "right_better", strength: 1},
  {key: "6", label: "B is better", choice: "right_better", strength: 2},
  {key: "7", label: "B is much better", choice: "right_better", strength: 3},
  {key: "b", label: "Both are bad", choice: "both_bad", strength: 0},
  {key: "s", label: "Skip", choice: "skip", strength: 0},
];
const kPollMs = 2000;
const kRetryMs = [500, 1000, 2000, 4000, 8000];
const kRequestMs = 10000;

const element = (id) => document.getElementById(id);

let worker = localStorage.getItem("worker") || "";
let task = null;
let chosen = null;
let shownAt = 0;
let saving = false;
// What GET /api/session says is sent along with every POST.
let csrfToken = "";
// Grows when the worker changes, so that what was started before stops.
let session = 0;

// ---------------------------------------------------------------- the server

// Resolves to {status, data}; rejects when the server cannot be reached.
async function call(method, path, body) {
  const response = await fetch(path, {
    method,
    headers: body ? {"Content-Type": "application/json",
                     "X-CSRF-Token": csrfToken} : {},
    body: body ? JSON.stringify(body) : undefined,
    signal: AbortSignal.timeout(kRequestMs),
  });
  if (response.status === 401) location.replace("/login");
  const text = await response.text();
  return {status: response.status, data: text ? JSON.parse(text) : null};
}

function errorOf(reply) {
  return (reply.data && reply.data.error) || "error " + reply.status;
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
}

// ------------------------------------------------------------------- showing

function notify(text, kind) {
  element("notice").textContent = text;
  element("notice").className = kind || "";
}

function show(id) {
  for (const part of ["sign-in", "waiting", "task"]) {
    element(part).hidden = part !== id;
  }
}

function showWaiting(title, text) {
  element("waiting-title").textContent = title;
  element("waiting-text").textContent = text;
  show("waiting");
}

function showMessage(message) {
  const names = {user: "Human", assistant: "Assistant", system: "Instructions"};
  const box = document.createElement("div");
  const name = document.createElement("h3");
  const text = document.createElement("p");
  box.className = message.role === "user" ? "message user" : "message";
  name.textContent = names[message.role] || message.role;
  text.textContent = message.content;
  text.dir = "auto";
  box.append(name, text);
  return box;
}

function showTask(next) {
  task = next;
  chosen = null;
  shownAt = performance.now();
  element("dialogue").replaceChildren(...task.messages.map(showMessage));
  element("answer-a").textContent = task.left;
  element("answer-b").textContent = task.right;
  element("skip-reason").value = "";
  showChoice();
  show("task");
  window.scrollTo(0, 0);
  element("task-title").focus({preventScroll: true});
}

function showChoice() {
  for (const button of document.querySelectorAll("[data-key]")) {
    const pressed = chosen !== null && button.dataset.key === chosen.key;
    button.setAttribute("aria-pressed", String(pressed));
    button.disabled = saving;
  }
  element("skip-row").hidden = chosen === null || chosen.choice !== "skip";
  element("submit").disabled = chosen === null || saving;
}

async function showProgress() {
  const {status, data} =
      await call("GET", "/api/stats?worker_id=" + encodeURIComponent(worker));
  if (status !== 200) return;
  const goal = data.max_comparisons;
  element("own-count").textContent = "You: " + data.worker_comparisons;
  element("all-count").textContent =
      "All: " + data.num_comparisons + (goal ? " of " + goal : "");
  element("all-progress").hidden = !goal;
  if (goal) element("all-progress").value = data.num_comparisons / goal;
}

// --------------------------------------------------------------------- doing

function choose(key) {
  if (task === null || saving) return;
  chosen = kChoices.find((choice) => choice.key === key) || chosen;
  showChoice();
  if (chosen && chosen.choice === "skip") element("skip-reason").focus();
}

async function nextTask() {
  const mine = session;
  task = null;
  let offline = false;
  while (mine === session) {
    let reply = null;
    try {
      reply = await call("POST", "/api/task", {worker_id: worker});
      showProgress().catch(() => {});
    } catch (error) {
      offline = true;
      notify("The server cannot be reached. Trying again…", "bad");
    }
    if (mine !== session) return;
    if (reply !== null && reply.status === 200) {
      if (offline) notify("");
      return showTask(reply.data);
    }
    if (reply !== null && reply.status === 410) {
      notify("");
      return showWaiting("All done", "Every comparison of this run is made. " +
                         "Thank you, " + worker + "!");
    }
    if (reply !== null && reply.status === 204) {
      if (offline) notify("");
      offline = false;
      showWaiting("One moment", "The next answers are being written.");
    } else if (reply !== null) {
      notify(errorOf(reply), "bad");
    }
    await pause(kPollMs);
  }
}

function makeAnswer() {
  const answer = {
    task_id: task.task_id,
    comparison_id: newId(),
    worker_id: worker,
    choice: chosen.choice,
    seconds: Math.round(performance.now() - shownAt) / 1000,
  };
  if (chosen.strength > 0) answer.strength = chosen.strength;
  if (chosen.choice === "skip") {
    answer.skip_reason = element("skip-reason").value.trim();
  }
  return answer;
}

// Sends the same answer, with the same id, until the server has decided.
async function submit() {
  if (task === null || chosen === null || saving) return;
  const answer = makeAnswer();
  saving = true;
  showChoice();
  notify("Saving…");
  for (let attempt = 0; saving; ++attempt) {
    let reply = null;
    try {
      reply = await call("POST", "/api/comparison", answer);
    } catch (error) {
      notify("Not saved yet: the server cannot be reached. Trying again…",
             "bad");
    }
    if (reply !== null && reply.status === 200) {
      saving = false;
      notify("Saved ✓", "good");
      return nextTask();
    }
    if (reply !== null && reply.status < 500) {
      saving = false;
      notify("Not saved: " + errorOf(reply), "bad");
      return nextTask();
    }
    if (reply !== null) {
      notify("Not saved yet: " + errorOf(reply) + ". Trying again…", "bad");
    }
    await pause(kRetryMs[Math.min(attempt, kRetryMs.length - 1)]);
  }
}

function signIn(name) {
  worker = name;
  localStorage.setItem("worker", worker);
  element("change-name").textContent = worker + " · change";
  element("change-name").hidden = false;
  ++session;
  nextTask();
}

function signOut() {
  if (saving) return;
  ++session;
  task = null;
  notify("");
  element("change-name").hidden = true;
  element("worker-name").value = worker;
  show("sign-in");
  element("worker-name").focus();
}

// ------------------------------------------------------------------- wiring

function makeButton(choice) {
  const button = document.createElement("button");
  const label = document.createElement("span");
  const key = document.createElement("kbd");
  button.type = "button";
  button.dataset.key = choice.key;
  button.setAttribute("aria-keyshortcuts", choice.key);
  label.textContent = choice.label;
  key.textContent = choice.key.toUpperCase();
  button.append(label, " ", key);
  button.addEventListener("click", () => choose(choice.key));
  return button;
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing ||
      task === null) {
    return;
  }
  const typing = event.target instanceof HTMLInputElement;
  if (event.key === "Enter") {
    // A focused button keeps its Enter, unless it is the choice that is made.
    const button = event.target.closest("button");
    if (button !== null && button.dataset.key !== (chosen && chosen.key)) return;
    event.preventDefault();
    submit();
  } else if (!typing &&
             kChoices.some((choice) => choice.key === event.key.toLowerCase())) {
    event.preventDefault();
    choose(event.key.toLowerCase());
  }
}

function start() {
  for (const choice of kChoices) {
    const row = choice.key >= "1" && choice.key <= "7" ? "scale" : "others";
    element(row).append(makeButton(choice));
  }
  document.addEventListener("keydown", onKey);
  element("judgement").addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
  });
  element("sign-in").addEventListener("submit", (event) => {
    event.preventDefault();
    const name = element("worker-name").value.trim();
    if (name) signIn(name);
  });
  begin();
}

// With a login, the server says who works; without one, they name themselves.
async function begin() {
  const reply = await call("GET", "/api/session").catch(() => null);
  if (reply !== null && reply.status === 200 && reply.data.login_required) {
    csrfToken = reply.data.csrf_token;
    worker = reply.data.name;
    element("change-name").textContent = worker + " · log out";
    element("change-name").hidden = false;
    element("change-name").addEventListener(
        "click", () => location.assign("/login"));
    ++session;
    return nextTask();
  }
  element("change-name").addEventListener("click", signOut);
  if (worker) signIn(worker); else signOut();
}

start();
