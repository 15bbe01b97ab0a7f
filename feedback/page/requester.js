// The requester's page: asks for what each section shows, and shows it anew
// when it has changed.

import {element, make} from "/dom.js";
import {call, errorOf, openSession, pause} from "/server.js";
import {showLabels, showRate} from "/requester_labels.js";
import {showAgreement, showWorkers} from "/requester_workers.js";
import {batchesPath, showBatches} from "/requester_batches.js";
import {showElo} from "/requester_elo.js";
import {showModels} from "/requester_models.js";
import {showSamples} from "/requester_samples.js";

const kUpdateMs = 5000;

// Where it stands, what it asks for (a path, or what makes one), and what makes
// elements of the replies' data (null: this server does not have it).
const kSections = [
  {id: "labels", paths: ["/api/stats", "/api/summary"], show: showLabels},
  {id: "rate", paths: ["/api/summary"], show: showRate},
  {id: "agreement", paths: ["/api/agreement"], show: showAgreement},
  {id: "workers", paths: ["/api/workers"], show: showWorkers},
  {id: "batches", paths: [batchesPath], show: showBatches},
  {id: "models", paths: ["/api/pms"], show: showModels},
  {id: "elo", paths: ["/api/elo"], show: showElo},
  {id: "samples", paths: ["/api/comparisons?last=20"], show: showSamples},
];

// What each section shows now, as JSON.
const shown = new Map();

async function ask(asked) {
  const path = typeof asked === "function" ? asked() : asked;
  const reply = await call("GET", path);
  if (reply.status === 200) return reply.data;
  if (reply.status === 404) return null;
  throw new Error(path + ": " + errorOf(reply));
}

// Puts `contents` into the section; what was open, and where the focus was,
// stays so.
function put(section, contents) {
  const body = element(section.id + "-body");
  const open = new Set([...body.querySelectorAll("details[open]")].map(
      (detail) => detail.dataset.key));
  const focused = body.contains(document.activeElement) ?
      document.activeElement.closest("[data-key]")?.dataset.key : undefined;
  body.replaceChildren(...contents);
  for (const detail of body.querySelectorAll("details")) {
    detail.open = open.has(detail.dataset.key);
  }
  if (focused === undefined) return;
  const again = [...body.querySelectorAll("[data-key]")].find(
      (one) => one.dataset.key === focused);
  (again?.querySelector("summary") || again)?.focus();
}

async function update(section) {
  let data = [];
  try {
    data = await Promise.all(section.paths.map(ask));
  } catch (error) {
    shown.delete(section.id);
    put(section, [make("p", {className: "problem"}, error.message)]);
    return error.name === "Error";  // else the server cannot be reached
  }
  const json = JSON.stringify(data);
  if (shown.get(section.id) === json) return true;
  shown.set(section.id, json);
  put(section, data.includes(null) ?
      [make("p", {className: "hint"}, "Not available on this server.")] :
      section.show(data, refresh));
  return true;
}

async function refresh() {
  const reached = await Promise.all(kSections.map(update));
  element("state").textContent = reached.every(Boolean) ?
      "" : "The server cannot be reached";
}

async function logOut() {
  const reply = await call("POST", "/api/logout", {}).catch(() => null);
  if (reply !== null && reply.status < 500) return location.assign("/login");
  element("state").textContent =
      "The server cannot be reached: you are still logged in";
}

// Where nobody need log in there is nothing to log out of.
async function showAccount() {
  const account = await openSession().catch(() => ({}));
  if (!account.login_required || !account.logged_in) return;
  element("logout").textContent = account.name + " · log out";
  element("logout").addEventListener("click", logOut);
  element("logout").hidden = false;
}

async function run() {
  showAccount();
  for (;;) {
    if (element("updating").checked && !document.hidden) await refresh();
    await pause(kUpdateMs);
  }
}

run();
