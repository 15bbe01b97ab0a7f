// Talks to the server that the page came from.

const kRequestMs = 10000;

// Of this browser, or an empty one where the server knows no sessions.
let session = null;

async function request(method, path, body, token) {
  const headers = {};
  if (body) headers["Content-Type"] = "application/json";
  if (body && token) headers["X-CSRF-Token"] = token;
  const response = await fetch(path, {
    method,
    headers,
    body: body ? JSON.stringify(body) : undefined,
    signal: AbortSignal.timeout(kRequestMs),
  });
  const text = await response.text();
  return {status: response.status, data: text ? parse(text) : null};
}

// What is no JSON comes from something between the page and the server.
function parse(text) {
  try {
    return JSON.parse(text);
  } catch (error) {
    return null;
  }
}

// Who works here: {login_required, logged_in, name, worker_id, …}; empty where
// nobody need log in. Rejects when the server cannot be reached, or tell.
export async function openSession() {
  if (session === null) {
    const reply = await request("GET", "/api/session");
    if (![200, 404].includes(reply.status)) throw new Error(errorOf(reply));
    session = reply.status === 200 && reply.data ? reply.data : {};
  }
  return session;
}

// The session has ended, or is somebody else's by now: the page begins anew,
// and what waits for its reply goes no further.
function beginAnew(account) {
  if (account.login_required && !account.logged_in) {
    location.assign("/login");
  } else {
    location.reload();
  }
  return new Promise(() => {});
}

// Resolves to {status, data}; rejects when the server cannot be reached.
export async function call(method, path, body) {
  const before = await openSession();
  const reply = await request(method, path, body, before.csrf_token);
  if (![401, 403].includes(reply.status)) return reply;
  // Perhaps there was a login, or a logout, in another tab meanwhile.
  session = null;
  const now = await openSession();
  if (now.worker_id !== before.worker_id) return beginAnew(now);
  return now.csrf_token === before.csrf_token ?
      reply : request(method, path, body, now.csrf_token);
}

export function errorOf(reply) {
  return (reply.data && reply.data.error) || "error " + reply.status;
}

// Whether the same request may well be taken later: not reached, signed out,
// too many at once, or trouble at the server.
export function mayPass(reply) {
  return reply === null || reply.status >= 500 ||
         [401, 408, 429].includes(reply.status);
}

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// 32 random hexadecimal digits.
export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
}
