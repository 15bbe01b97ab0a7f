// Shows a task: the dialogue so far and both answers. Whatever a model or a
// human wrote goes in as text.

import {element, make, markScrollable} from "/dom.js";
import {isRedTeam, questionOf} from "/choices.js";

const kNames = {user: "Human", assistant: "Assistant", system: "Instructions"};

function showMessage(message) {
  const box = make("div", {
    className: message.role === "user" ? "message user" : "message",
  });
  box.append(make("h3", {}, kNames[message.role] || message.role),
             make("p", {dir: "auto"}, message.content));
  return box;
}

function markAll() {
  ["dialogue", "answer-a", "answer-b"].map(element).forEach(markScrollable);
}

export function showDialogue(task) {
  const turns = task.messages.filter(({role}) => role === "user").length;
  element("task-title").textContent =
      turns > 1 ? "Dialogue, turn " + turns : "Dialogue";
  element("question").textContent = questionOf(task);
  document.title = questionOf(task);
  element("red-team").hidden = !isRedTeam(task);
  element("task").classList.toggle("red", isRedTeam(task));
  element("dialogue").replaceChildren(...task.messages.map(showMessage));
  element("answer-a").textContent = task.left;
  element("answer-b").textContent = task.right;
}

// After the task is on screen, where it has a size.
export function settleDialogue() {
  for (const id of ["answer-a", "answer-b"]) element(id).scrollTop = 0;
  const dialogue = element("dialogue");
  dialogue.scrollTop = dialogue.scrollHeight;
  markAll();
}

addEventListener("resize", markAll);
