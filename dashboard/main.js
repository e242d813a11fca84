// Which view an address is, and keeping it up to date.

const VIEWS = [["", "Overview"], ["sessions", "Sessions"], ["quarantine", "Quarantine"]];
const main = document.getElementById("view");
let shown = 0;
let view;
/** The address is another one than that of what is shown. */
let isMoving = false;

function link(parameters) {
  const query = new URLSearchParams(Object.entries(parameters).filter(([, value]) => value));
  return query.size ? `/dashboard?${query}` : "/dashboard";
}

function go(address) {
  history.pushState(null, "", address);
  main.replaceChildren();
  show({ moves: true });
}

function navigation(current) {
  document.getElementById("views").replaceChildren(...VIEWS.map(([name, text]) => h("a", {
    href: name === "sessions" ? link({ view: name, status: OPEN.join(",") }) : link({ view: name }),
    "data-route": true, "aria-current": name === current ? "page" : undefined }, text)));
}

/** Shows what the address says. What has the focus, or is open, stays so where it is there again. */
async function show({ moves = false } = {}) {
  const turn = ++shown;
  isMoving ||= moves;
  const parameters = new URLSearchParams(location.search);
  const session = parameters.get("session");
  const name = session ? "sessions" : parameters.get("view") ?? "";
  let next;
  try {
    next = session ? await sessionView(session) : name === "sessions" ? await sessionsView(parameters)
      : name === "quarantine" ? await quarantineView(parameters) : await overviewView();
  } catch (error) {
    if (error.status === 401) return turn === shown && login("This token is not valid, or has expired.");
    const hint = error.status === 403 ? " This needs the operators' token (CHARGEFOLD_API_ADMIN_TOKEN)." : "";
    next = { title: "That did not work", isAbout: () => true,
      content: h("p", { class: "card problem", role: "alert" }, (error instanceof TypeError ? "The server cannot be reached." : error.message) + hint) };
  }
  if (turn !== shown) return;
  // Nobody's typing, and nothing that is being read, is taken away.
  const isRead = main.contains(document.activeElement) && ["INPUT", "SELECT"].includes(document.activeElement.tagName);
  if (!isMoving && view && (isRead || document.querySelector("dialog[open]") || String(getSelection()))) return;
  view = next;
  const focused = main.contains(document.activeElement) && document.activeElement.id;
  const open = [...main.querySelectorAll("details[open] > summary")].map((summary) => summary.textContent);
  document.title = `${next.title} – Chargefold`;
  navigation(name);
  main.replaceChildren(h("h1", {}, next.title), ...[next.content].flat(3).filter(Boolean));
  for (const summary of main.querySelectorAll("details > summary")) {
    if (open.includes(summary.textContent)) summary.parentElement.open = true;
  }
  if (isMoving) {
    isMoving = false;
    main.focus({ preventScroll: true });
    scrollTo(0, 0);
  } else if (focused) {
    document.getElementById(focused)?.focus({ preventScroll: true });
  }
  main.dataset.shown = turn;
}

let pending;

/** At most once a second, however much happens. */
function refreshSoon() {
  pending ??= setTimeout(() => {
    pending = undefined;
    if (token) show();
  }, 1000);
}

function login(reason = "") {
  document.getElementById("views").hidden = document.getElementById("live").hidden = document.getElementById("forget").hidden = true;
  setToken("");
  document.title = "Chargefold";
  const input = h("input", { type: "password", id: "token", name: "token", required: true, autocomplete: "off", spellcheck: "false",
    "aria-describedby": "token-help" });
  const form = h("form", { onsubmit: async (event) => {
    event.preventDefault();
    setToken(input.value.trim());
    begin();
  } },
    h("label", { for: "token" }, "Token"), input,
    h("p", { id: "token-help", class: "small soft" }, "The operators' one (CHARGEFOLD_API_ADMIN_TOKEN). It is kept for this tab, and goes to no one but this server."),
    h("p", { class: "problem", role: "alert" }, reason), h("button", { class: "main" }, "Open"));
  main.replaceChildren(h("div", { class: "login" }, h("h1", {}, "Are we catching everything?"), form));
  input.focus();
}

function forget() {
  setToken("");
  login();
}

let isFollowing = false;

function begin() {
  document.getElementById("views").hidden = document.getElementById("live").hidden = document.getElementById("forget").hidden = false;
  view = undefined;
  show({ moves: true });
  if (isFollowing) return;
  isFollowing = true;
  const state = document.getElementById("live");
  state.textContent = "connecting";
  follow((change) => view?.isAbout(change) && refreshSoon(), (isOn) => {
    state.textContent = isOn ? "live" : "not live";
    state.className = `state ${isOn ? "on" : "off"}`;
  }).finally(() => (isFollowing = false));
}

document.addEventListener("click", (event) => {
  const target = event.target.closest("a[data-route]");
  if (!target || event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
  event.preventDefault();
  go(target.href);
});
addEventListener("popstate", () => show({ moves: true }));
document.getElementById("forget").addEventListener("click", () => {
  tabs.postMessage({ forget: true });
  forget();
});
// Ages grow, and what is due falls due.
setInterval(() => token && !document.hidden && view?.isAbout({}) && show(), 15000);
document.addEventListener("visibilitychange", () => token && !document.hidden && show());

if (!token) setToken(await tokenOfOtherTab());
if (token) begin();
else login();
