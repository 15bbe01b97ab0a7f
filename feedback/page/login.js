// The page to log in, and the one that an invitation links to. It puts nothing
// of the server's into the page but by textContent.
"use strict";

const kRequestMs = 10000;

const element = (id) => document.getElementById(id);

let csrfToken = "";
// Of the invitation, which leaves the address bar and the history at once.
let invitation = "";

// Resolves to {status, data}; rejects when the server cannot be reached.
async function call(method, path, body) {
  const response = await fetch(path, {
    method,
    headers: body ? {"Content-Type": "application/json",
                     "X-CSRF-Token": csrfToken} : {},
    body: body ? JSON.stringify(body) : undefined,
    signal: AbortSignal.timeout(kRequestMs),
  });
  const text = await response.text();
  let data = null;
  try {
    data = JSON.parse(text);
  } catch (error) {
    // What is no JSON comes from something between the page and the server.
  }
  return {status: response.status, data};
}

function notify(text, kind) {
  element("notice").textContent = text;
  element("notice").className = kind || "";
}

function show(id) {
  for (const part of ["login", "join", "known"]) {
    element(part).hidden = part !== id;
  }
  const first = element(id).querySelector("input:not([readonly]), button");
  if (first) first.focus();
}

function showSession(session) {
  csrfToken = session.csrf_token;
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
    if (reply.status === 200) return location.replace("/");
    notify((reply.data && reply.data.error) || "error " + reply.status, "bad");
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
  element("go-on").addEventListener("click", () => location.replace("/"));
  element("logout").addEventListener("click", async () => {
    await call("POST", "/api/logout", {});
    location.replace("/login");
  });
  try {
    showSession((await call("GET", "/api/session")).data);
  } catch (error) {
    notify("The server cannot be reached. Load the page again.", "bad");
  }
}

start();
