// How long the task is this worker's: a countdown, and a button for more.

import {element} from "/dom.js";

const kOfferMs = 120000;

let endsAt = 0;
let timer = 0;
let onLate = () => {};

function clock(ms) {
  const seconds = Math.ceil(ms / 1000);
  return Math.floor(seconds / 60) + ":" +
         String(seconds % 60).padStart(2, "0");
}

function show() {
  const left = endsAt - Date.now();
  const box = element("lease");
  box.textContent =
      left > 0 ? clock(left) + " left" : "the time for this task is over";
  box.classList.toggle("late", left <= kOfferMs);
  const offer = left <= kOfferMs;
  if (offer && element("more-time").hidden) onLate(left);
  element("more-time").hidden = !offer;
}

// `late(ms)` is told once when little time is left.
export function startLease(until, late) {
  endsAt = until;
  onLate = late;
  element("more-time").hidden = true;
  clearInterval(timer);
  timer = setInterval(show, 1000);
  show();
}

export function stopLease() {
  clearInterval(timer);
  element("lease").textContent = "";
  element("more-time").hidden = true;
}

export const leaseEnd = () => endsAt;
