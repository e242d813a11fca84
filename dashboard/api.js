// The interface of this server, and nothing else. The token is kept for this tab alone.

const tokenKey = "chargefold.token";
let token = sessionStorage.getItem(tokenKey) ?? "";

function setToken(value) {
  token = value;
  if (value) sessionStorage.setItem(tokenKey, value);
  else sessionStorage.removeItem(tokenKey);
}

/** A tab that was opened from another one asks that for its token: the browser lets only pages of this origin hear. */
const tabs = new BroadcastChannel("chargefold");
tabs.addEventListener("message", ({ data }) => {
  if (data.asks && token) tabs.postMessage({ token });
  if (data.forget) forget();
});

function tokenOfOtherTab() {
  return new Promise((resolve) => {
    const hear = ({ data }) => done(data.token);
    const done = (value) => {
      tabs.removeEventListener("message", hear);
      resolve(value ?? "");
    };
    tabs.addEventListener("message", hear);
    tabs.postMessage({ asks: true });
    setTimeout(done, 300);
  });
}

class Problem extends Error {
  constructor(status, body) {
    super(body?.detail ?? body?.title ?? `The server answered ${status}.`);
    this.status = status;
    this.code = body?.code;
  }
}

async function request(path, options = {}) {
  const headers = { ...options.headers, Authorization: `Bearer ${token}` };
  const response = await fetch(path, { cache: "no-store", ...options, headers });
  if (response.ok) return response;
  throw new Problem(response.status, await response.json().catch(() => null));
}

async function get(path) {
  const response = await request(path);
  const date = Date.parse(response.headers.get("Date"));
  // The field has whole seconds: only what is more than that is another clock.
  if (!Number.isNaN(date) && Math.abs(date - Date.now()) > 2000) clockOffset = date - Date.now();
  return response.json();
}

const post = (path, body) => request(path, { method: "POST", body });

/** The same, or nothing where there is no such thing or it is not for this token. */
async function tryGet(path) {
  try {
    return await get(path);
  } catch (error) {
    if (error instanceof Problem && [401, 403, 404].includes(error.status)) return null;
    throw error;
  }
}

// A browser has six connections to a server without HTTP/2: only the tab that somebody looks at keeps one open.
let stream;
addEventListener("pagehide", () => stream?.abort());
document.addEventListener("visibilitychange", () => document.hidden && stream?.abort());

const isLookedAt = () => document.hidden
  ? new Promise((resolve) => document.addEventListener("visibilitychange", resolve, { once: true })) : undefined;

/** The changes of all sessions, for as long as somebody looks. EventSource could not send the token. */
async function follow(onChange, onState) {
  let last = "";
  let pause = 500;
  while (token) {
    await isLookedAt();
    try {
      stream = new AbortController();
      const response = await request("/v1/events", { headers: last ? { "Last-Event-ID": last } : {}, signal: stream.signal });
      onState(true);
      pause = 500;
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = "";
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        const events = (rest + value).split("\n\n");
        rest = events.pop();
        for (const event of events) {
          const fields = Object.fromEntries(event.split("\n").map((line) => {
            const colon = line.indexOf(":");
            return [line.slice(0, colon), line.slice(colon + 1).trimStart()];
          }));
          if (fields.id) last = fields.id;
          if (fields.event === "reset") last = "";
          if (fields.data) onChange(JSON.parse(fields.data));
        }
      }
    } catch (error) {
      if (error instanceof Problem && [401, 403].includes(error.status)) return onState(false);
    }
    onState(false);
    if (document.hidden) continue;
    await new Promise((resolve) => setTimeout(resolve, pause));
    pause = Math.min(pause * 2, 10000);
  }
}
