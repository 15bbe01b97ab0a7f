// Keys without modifiers do what the buttons that show them do.

import {element} from "/dom.js";
import {load, store} from "/storage.js";

const kTyped = ["text", "textarea", "search"];
const isTyping = (target) => kTyped.includes(target.type);

// `actions` maps keys, in lower case, to functions; `enter` is called for Enter
// where no field or button has its own use for it, `send` for Ctrl+Enter.
export function startKeys(actions, enter, send) {
  const checkbox = element("keys-on");
  checkbox.checked = load("keys") !== false;
  checkbox.addEventListener("change", () => store("keys", checkbox.checked));

  document.addEventListener("keydown", (event) => {
    if (event.isComposing || event.repeat || element("guide").open) return;
    const key = event.key.toLowerCase();
    if (key === "enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      return send();
    }
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (key === "escape") return event.target.blur();
    if (key === "enter") return onEnter(event, enter);
    if (isTyping(event.target) || !checkbox.checked) return;
    const action = actions[key];
    if (!action) return;
    event.preventDefault();
    action();
  });
}

function onEnter(event, enter) {
  // Enter breaks the line in a text, and presses a button or follows a link.
  if (event.target.closest("textarea, button, a, #sign-in")) return;
  event.preventDefault();
  enter();
}
