// Elements: found by id, or made. Words go in as text, never as HTML.

export const element = (id) => document.getElementById(id);

// make("p", {className: "hint", dir: "auto"}, "words", otherElement)
export function make(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  Object.assign(made, properties);
  made.append(...children);
  return made;
}

// Text that may read from right to left, in the midst of other text.
export function isolated(text) {
  const made = make("bdi");
  made.textContent = text;
  return made;
}

// A box that scrolls can be reached, and scrolled, by keyboard; one that does
// not is no stop on the way.
export function markScrollable(box) {
  if (box.scrollHeight > box.clientHeight + 1) {
    box.tabIndex = 0;
  } else {
    box.removeAttribute("tabindex");
  }
}
