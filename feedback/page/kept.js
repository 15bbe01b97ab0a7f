// What a worker wrote and the server would not take. It stands on the page, with
// the reason, until the worker puts it away; a reload brings it again.

import {element, make} from "/dom.js";
import {newId} from "/server.js";
import {forget, keysWith, load, store} from "/storage.js";

const kPrefix = "kept/";

// In memory too, for browsers that keep nothing.
const kept = new Map();
let shownFor = "";

for (const key of keysWith(kPrefix)) {
  const one = load(key);
  if (one && one.id) kept.set(one.id, one);
}

// The words of an answer or of a draft, and the next turn.
export function wordsOf({edited_response, comment, skip_reason}, turn) {
  return [["Your version of the answer", edited_response],
          ["Comment", comment],
          ["Why you skipped it", skip_reason],
          ["What the human says next", turn]]
      .filter(([, text]) => text && text.trim());
}

// `words` is a list of [label, text]; `task` tells the worker which it was.
export function keep(worker, {title, why, words, task}) {
  const one = {id: newId(), worker, title, why, words, at: Date.now(),
               about: task.messages[task.messages.length - 1].content};
  kept.set(one.id, one);
  store(kPrefix + one.id, one);
  showKept(shownFor);
}

function putAway(one) {
  kept.delete(one.id);
  forget(kPrefix + one.id);
  showKept(shownFor);
}

function textOf([label, text], id) {
  return [
    make("label", {htmlFor: id}, label),
    make("textarea", {id, readOnly: true, value: text, dir: "auto",
                      rows: Math.min(6, Math.ceil(text.length / 60))}),
  ];
}

function show(one) {
  const box = make("article", {className: "kept-one"},
                   make("h3", {}, one.title),
                   make("p", {className: "kept-why"}, one.why));
  box.append(make("p", {className: "kept-about hint", dir: "auto"}, one.about));
  one.words.forEach((words, i) =>
      box.append(...textOf(words, `kept-${one.id}-${i}`)));
  const button = make("button", {type: "button"}, "Put it away");
  button.addEventListener("click", () => putAway(one));
  box.append(button);
  return box;
}

// Shows what is kept for `worker`, now and whenever there is more.
export function showKept(worker) {
  shownFor = worker;
  const own = [...kept.values()].filter((one) => one.worker === worker)
                  .sort((a, b) => a.at - b.at);
  element("kept").hidden = own.length === 0;
  element("kept-list").replaceChildren(...own.map(show));
}
