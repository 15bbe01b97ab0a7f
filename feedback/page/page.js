// The worker's page: asks for a task, shows it, holds the answer for a while,
// sends it until the server says that it is saved, asks for the next.

import {element, isolated} from "/dom.js";
import {call, errorOf, newId, openSession, pause} from "/server.js";
import {load, store} from "/storage.js";
import {notify, show, showWaiting} from "/screen.js";
import {askForTask, renewTask, updateProgress} from "/tasks.js";
import {dropOldDrafts, forgetDraft, loadDraft, saveDraft} from "/drafts.js";
import {sideOf} from "/choices.js";
import * as outbox from "/outbox.js";
import {settleDialogue, showDialogue} from "/dialogue.js";
import * as judgement from "/judgement.js";
import * as held from "/held.js";
import {keep, showKept, wordsOf} from "/kept.js";
import {leaseEnd, startLease, stopLease} from "/lease.js";
import {startKeys} from "/keys.js";

const kPollMs = 2000;

let worker = "";
let workerName = "";  // what the worker is called, which an id need not tell
// What is on screen: "signed out", "waiting", "judging", "held", "sending" or
// "saved".
let stage = "signed out";
let task = null;
let entry = null;  // of the answer that is held, sent or saved
let shownAt = 0;
let secondsBefore = 0;  // spent on the task before a reload or an undo
// Of the dialogue that was carried on: its next task has so many messages.
let awaitedMessages = 0;
// Grows when the worker changes, so that what was started before stops.
let session = 0;

// ------------------------------------------------------------------- showing

function wait(title, text, moving) {
  stage = "waiting";
  stopLease();
  showWaiting(title, text, moving);
}

function tellLate(left) {
  if (left > 0) notify("Little time is left: “More time” gives more.");
}

const seconds = () =>
    secondsBefore + Math.round(performance.now() - shownAt) / 1000;

function showTask(next, leaseEndsAt) {
  task = next;
  entry = null;
  stage = "judging";
  const draft = loadDraft(task.task_id);
  secondsBefore = draft.seconds || 0;
  shownAt = performance.now();
  showDialogue(task);
  held.closeHeld();
  judgement.openJudgement(task, draft);
  show("task");
  settleDialogue();
  startLease(leaseEndsAt, tellLate);
  window.scrollTo(0, 0);
  element("task-title").focus({preventScroll: true});
}

function keepDraft() {
  if (task === null) return;
  saveDraft(task.task_id, {
    ...judgement.draftOfJudgement(),
    seconds: stage === "judging" ? seconds() : secondsBefore,
    turn: stage === "judging" ? loadDraft(task.task_id).turn :
                                element("next-turn").value,
  });
}

// The task on screen is lost; the words that were begun are not.
function keepDraftWords(why) {
  const draft = loadDraft(task.task_id);
  const edits = draft.edits || {};
  const words = wordsOf({...draft, edited_response: edits.left || edits.right});
  if (words.length === 0) return;
  keep(worker, {title: "An answer that was begun", why, words, task});
  forgetDraft(task.task_id);
}

// -------------------------------------------------------------------- asking

async function nextTask() {
  const mine = session;
  task = null;
  entry = null;
  const [waiting] = outbox.pendingOf(worker);
  if (waiting) return resume(waiting);
  if (stage !== "waiting") wait("One moment", "Asking for the next task.", true);
  const found = await askForTask(worker, () => mine !== session);
  if (found === null) return;
  updateProgress(worker);
  if (found.complete) {
    notify("");
    wait("All done", "Every comparison of this run is made. Thank you, " +
         workerName + "!", false);
    return;
  }
  if (awaitedMessages > 0 && found.task.messages.length !== awaitedMessages) {
    notify("Saved ✓ The dialogue could not go on; here is another one.");
  }
  awaitedMessages = 0;
  showTask(found.task, found.leaseEndsAt);
}

// A fresh lease; the task stays unless somebody else has it by now.
async function moreTime() {
  if (stage !== "judging" || element("more-time").hidden) return;
  const mine = session;
  const before = task;
  keepDraft();
  const found = await renewTask(worker);
  if (mine !== session || task !== before || stage !== "judging") return;
  if (found === null) {
    return notify("No more time could be had just now.", "bad");
  }
  if (found.task.task_id === task.task_id) {
    startLease(found.leaseEndsAt, tellLate);
    return notify("You have more time.", "good");
  }
  keepDraftWords("That task has gone to somebody else.");
  notify("That task has gone to somebody else; here is another one.");
  showTask(found.task, found.leaseEndsAt);
}

// ------------------------------------------------------------------ answering

function answer() {
  if (stage !== "judging" || !judgement.hasChoice()) return;
  if (!outbox.hasRoom(worker)) {
    return notify("Too many answers wait to be sent: wait until the server " +
                  "can be reached.", "bad");
  }
  secondsBefore = seconds();
  const made = {
    task_id: task.task_id,
    comparison_id: newId(),
    worker_id: worker,
    seconds: secondsBefore,
    ...judgement.readJudgement(),
  };
  keepDraft();
  showHeld(outbox.hold(made, {...task, leaseEndsAt: leaseEnd()},
                       judgement.chosenLabel()));
  element("held-title").focus({preventScroll: true});
  element("held").scrollIntoView({block: "nearest"});
}

function showHeld(waiting) {
  entry = waiting;
  stage = "held";
  entry.side = sideOf(entry.answer);
  stopLease();
  if (entry.isKept === false) {
    notify("This browser has no room to keep your answer: leave the page open " +
           "until it is saved.", "bad");
  } else {
    notify("");
  }
  held.openHeld(entry, loadDraft(task.task_id).turn || "", () => send(false));
}

// An answer that was held before a reload.
function resume(waiting) {
  showTask(waiting.task, waiting.task.leaseEndsAt);
  showHeld(waiting);
}

function undo() {
  if (stage !== "held") return;
  keepDraft();
  outbox.drop(entry);
  showTask(task, entry.task.leaseEndsAt);
  notify("Taken back: nothing was sent.");
}

// `goOn`: the worker wants the next task, or the next turn if one is written
// and `withTurn`.
async function send(goOn, withTurn = false) {
  if (stage === "saved") return goOn ? leave(withTurn) : undefined;
  if (stage !== "held") return;
  const mine = session;
  stage = "sending";
  held.showSending();
  const outcome = await outbox.send(entry, (trouble) => notify(
      "Not saved yet: " + trouble + ". Trying again…", "bad"));
  if (mine !== session) return;
  if (!outcome.saved) {
    notify("Not saved: " + outcome.error, "bad");
    return nextTask();
  }
  stage = "saved";
  if (outcome.extra) return leaveLate();
  notify("Saved ✓", "good");
  held.showSaved();
  if (goOn || !held.isWritingTurn()) return leave(withTurn);
}

function keepTurn(why) {
  const words = wordsOf({}, held.turnText());
  if (words.length > 0) {
    keep(worker, {title: "Your next turn", why, words, task});
  }
}

// From an answer that is saved and came too late to count: its dialogue goes on
// with the answers that came before it.
function leaveLate() {
  notify("Saved ✓ It came late: others had answered by then, so it is kept as " +
         "an extra answer.", "good");
  if (!element("turn").hidden) {
    keepTurn("The dialogue cannot go on: your answer to it came late.");
  }
  forgetDraft(task.task_id);
  held.closeHeld();
  return nextTask();
}

// From an answer that is saved to the next task.
async function leave(withTurn) {
  const mine = session;
  const message = withTurn ? held.turnText() : "";
  stage = "waiting";
  if (message !== "" && !element("turn").hidden) {
    const reply = await outbox.insist("/api/continue", {
      task_id: task.task_id,
      comparison_id: entry.answer.comparison_id,
      worker_id: worker,
      chosen: entry.side,
      message,
    }, (trouble) => notify("Saved ✓ The next turn is not sent yet: " + trouble +
                           ". Trying again…", "bad"));
    if (mine !== session) return;
    if (reply.status === 200) {
      awaitedMessages = task.messages.length + 2;
    } else {
      const why = "The dialogue cannot go on: " + errorOf(reply);
      keepTurn(why);
      notify("Saved ✓ " + why, "bad");
    }
  }
  forgetDraft(task.task_id);
  held.closeHeld();
  stage = "saved";
  return nextTask();
}

function sendTurn() {
  if (!["held", "saved"].includes(stage) || held.turnText() === "") return;
  keepDraft();
  send(true, true);
}

// ------------------------------------------------------------------- the name

function signIn(id, name, action) {
  worker = id;
  workerName = name;
  element("change-name").replaceChildren(isolated(name), " · " + action);
  element("change-name").hidden = false;
  ++session;
  showKept(worker);
  dropOldDrafts();
  nextTask();
}

// Without accounts anybody may send what somebody else left behind. With them,
// the server would take it for this worker's own.
function signInByName(name) {
  signIn(name, name, "change");
  outbox.sendOthers(worker);
}

// With accounts the server says who works; without, the worker does.
async function enter() {
  let account = null;
  while (account === null) {
    account = await openSession().catch(() => null);
    if (account === null) {
      notify("The server cannot be reached. Trying again…", "bad");
      await pause(kPollMs);
    }
  }
  notify("");
  if (account.login_required && !account.logged_in) {
    location.assign("/login");
  } else if (account.login_required) {
    signIn(account.worker_id, account.name, "log out");
    element("change-name").addEventListener("click", logOut);
  } else {
    element("change-name").addEventListener("click", signOut);
    const name = load("worker");
    if (name) signInByName(name); else signOut();
  }
}

async function logOut() {
  keepDraft();
  const reply = await call("POST", "/api/logout", {}).catch(() => null);
  if (reply !== null && reply.status < 500) return location.assign("/login");
  notify("The server cannot be reached: you are still logged in.", "bad");
}

function signOut() {
  if (stage === "sending") return;
  keepDraft();
  ++session;
  stage = "signed out";
  task = null;
  stopLease();
  held.closeHeld();
  notify("");
  element("change-name").hidden = true;
  element("worker-name").value = worker;
  worker = "";
  showKept(worker);
  outbox.sendOthers(worker);
  show("sign-in");
  element("worker-name").focus();
}

// ------------------------------------------------------------------- wiring

function openGuide() {
  if (!element("guide").open) element("guide").showModal();
}

const whileJudging = (action) => () => {
  if (stage === "judging") action();
};

function startActions() {
  const actions = {
    g: openGuide,
    u: undo,
    m: moreTime,
    e: whileJudging(judgement.toggleEdit),
    c: whileJudging(judgement.toggleComment),
    f: whileJudging(judgement.toggleFlag),
    t: () => {
      if (["held", "saved"].includes(stage) && !element("turn").hidden) {
        element("next-turn").focus();
      }
    },
  };
  for (const key of "1234567bs") {
    actions[key] = whileJudging(() => judgement.chooseByKey(key));
  }
  startKeys(actions, () => (stage === "judging" ? answer() : send(true)),
            () => (stage === "judging" ? answer() : sendTurn()));
}

function onSubmit(id, action) {
  element(id).addEventListener("submit", (event) => {
    event.preventDefault();
    action();
  });
}

function start() {
  judgement.startJudgement(keepDraft);
  startActions();
  onSubmit("judgement", answer);
  onSubmit("turn", sendTurn);
  onSubmit("sign-in", () => {
    const name = element("worker-name").value.trim();
    if (!name) return;
    store("worker", name);
    signInByName(name);
  });
  element("next-turn").addEventListener("input", () => {
    held.updateTurn();
    keepDraft();
  });
  element("open-guide").addEventListener("click", openGuide);
  element("more-time").addEventListener("click", moreTime);
  element("undo").addEventListener("click", undo);
  element("send-now").addEventListener("click", () => send(true));
  enter();
}

start();
