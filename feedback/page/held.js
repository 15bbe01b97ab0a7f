// The panel after an answer: it waits to be sent and can be taken back, and the
// worker may write what the human says next.

import {element} from "/dom.js";
import {isRedTeam} from "/choices.js";
import {kHoldMs} from "/outbox.js";

export const kMaxTurns = 20;
let timer = 0;
let announced = 0;

function mayGoOn(entry) {
  const turns = entry.task.messages.filter(({role}) => role === "user").length;
  return entry.side !== null && !isRedTeam(entry.task) && turns < kMaxTurns;
}

export const turnText = () => element("next-turn").value.trim();
export const isWritingTurn = () =>
    turnText() !== "" || document.activeElement === element("next-turn");

export function updateTurn() {
  element("send-turn").disabled = turnText() === "";
}

function tell(seconds) {
  // A screen reader hears it now and then, not every second.
  const steps = [60, 30, 10];
  const step = steps.filter((one) => seconds <= one).pop() || 60;
  element("held-bar").value = seconds;
  if (step === announced) return;
  announced = step;
  element("held-state").textContent = "Not sent yet: it is sent in " +
      (step === 60 ? "a minute" : step + " seconds") +
      ", or when you go on. Until then you can take it back.";
}

// Shows `entry`, and calls `onDue` when its time is over.
export function openHeld(entry, message, onDue) {
  element("held-title").textContent = "Your answer: " + entry.label;
  element("turn").hidden = !mayGoOn(entry);
  element("turn-side").textContent = entry.side === "left" ? "A" : "B";
  element("next-turn").value = message;
  element("undo").hidden = false;
  element("send-now").firstChild.textContent = "Send now, next task ";
  element("held-bar").hidden = false;
  element("judgement").hidden = true;
  element("held").hidden = false;
  announced = 0;
  updateTurn();
  // The time of day may be set back meanwhile; the other clock may stand still
  // while the machine sleeps.
  const due = performance.now() + Math.min(kHoldMs, entry.dueAt - Date.now());
  const tick = () => {
    const left = Math.min(due - performance.now(), entry.dueAt - Date.now());
    const seconds = Math.ceil(left / 1000);
    if (seconds > 0) return tell(seconds);
    clearInterval(timer);
    onDue();
  };
  clearInterval(timer);
  timer = setInterval(tick, 250);
  tick();
}

// It is on its way: nothing can be taken back any more.
export function showSending() {
  clearInterval(timer);
  element("undo").hidden = true;
  element("held-bar").hidden = true;
  element("held-state").textContent = "Sending…";
}

// It is stored; the panel stays for who still writes.
export function showSaved() {
  element("held-state").textContent =
      "Saved ✓ You can still go on with the dialogue.";
  element("send-now").firstChild.textContent = "Next task ";
}

export function closeHeld() {
  clearInterval(timer);
  element("held").hidden = true;
  element("judgement").hidden = false;
}
