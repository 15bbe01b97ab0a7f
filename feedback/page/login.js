// The page to log in, and the one that an invitation links to. It puts nothing
// of the server's into the page but by textContent.

import {element} from "/dom.js";
import {call, errorOf, openSession} from "/server.js";
import {notify} from "/screen.js";

// Of the invitation, which leaves the address bar and the history at once.
let invitation = "";
// Where to go from here.
let home = "/";

// Who may see the requester's page begins there.
function homeOf(session) {
  return ["requester", "admin"].includes(session.role) &&
         session.login_required ? "/requester" : "/";
}

function show(id) {
  for (const part of ["login", "join", "known"]) {
    element(part).hidden = part !== id;
  }
  const first = element(id).querySelector("input:not([readonly]), button");
  if (first) first.focus();
}

function showSession(session) {
  home = homeOf(session);
  if (!session.login_required) {
    notify("No login is needed here.");
    element("known-name").textContent = "";
    element("logout").hidden = true;
    return show("known");
  }
  if (session.logged_in && !invitation) {
    element("known-name").textContent = session.name + ", " + session.role;
    return show("known");
  }
  show(invitation ? "join" : "login");
}

// Sends a form once, and goes to the page if it was right.
async function send(form, path, body) {
  const button = form.querySelector("button");
  if (button.disabled) return;
  button.disabled = true;
  notify("One moment…");
  try {
    const reply = await call("POST", path, body);
    if (reply.status === 200) return location.replace(homeOf(reply.data));
    notify(errorOf(reply), "bad");
  } catch (error) {
    notify("The server cannot be reached. Try again.", "bad");
  }
  button.disabled = false;
}

function readInvitation() {
  if (location.pathname !== "/join") return;
  const query = new URLSearchParams(location.search);
  invitation = query.get("token") || "";
  const name = query.get("name") || "";
  element("join-name").value = name;
  element("join-name").readOnly = name !== "";
  history.replaceState(null, "", "/join");
  if (!invitation) notify("This link holds no invitation.", "bad");
}

async function start() {
  readInvitation();
  element("login").addEventListener("submit", (event) => {
    event.preventDefault();
    send(element("login"), "/api/login",
         {name: element("login-name").value.trim(),
          password: element("login-password").value});
  });
  element("join").addEventListener("submit", (event) => {
    event.preventDefault();
    send(element("join"), "/api/join",
         {token: invitation, name: element("join-name").value.trim(),
          password: element("join-password").value});
  });
  element("go-on").addEventListener("click", () => location.replace(home));
  element("logout").addEventListener("click", async () => {
    await call("POST", "/api/logout", {});
    location.replace("/login");
  });
  try {
    showSession(await openSession());
  } catch (error) {
    notify("The server cannot be reached. Load the page again.", "bad");
  }
}

start();
