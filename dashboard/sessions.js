// Lists of sessions. The filter is the address: it can be sent to somebody.

const ANOMALIES = [
  "STARTED_MISSING", "STOPPED_MISSING", "REVIVED_AFTER_FAILURE", "USER_ID_CONFLICT", "STARTED_TOO_LONG", "TIMESTAMP_IN_FUTURE",
  "STOPPED_BEFORE_STARTED", "RECORD_ENDS_BEFORE_START", "NEGATIVE_ENERGY", "RECORD_TIMES_DISAGREE", "RECORD_ENERGY_DISAGREES",
  "RECORD_PRICE_DISAGREES", "START_TIMED_OUT", "STOP_FAILING_TOO_LONG",
];
const FILTERS = ["status", "anomaly", "userId", "charger", "from", "to", "olderThan"];

const sessionLink = (id, isRow = false) => h("a", { href: link({ session: id }), target: "_blank", rel: "noopener", id: isRow && `session-${id}`, class: "mono" },
  id, h("span", { class: "hush" }, " (opens in a new tab)"));

function filterForm(parameters) {
  const field = (name, text, control) => h("label", {}, h("span", {}, text), fill(control, { name, id: `filter-${name}` }, []));
  const options = (chosen, list) => h("select", {}, list.map(([value, text]) => h("option", { value, selected: value === (chosen ?? "") }, text)));
  const open = OPEN.join(",");
  const chosen = parameters.get("status") ?? "";
  const statuses = [["", "all"], [open, "open"], ...STATUSES.map((status) => [status, status])];
  if (!statuses.some(([value]) => value === chosen)) statuses.push([chosen, chosen]);
  const input = (name, type, more) => h("input", { type, value: parameters.get(name) ?? "", autocomplete: "off", spellcheck: "false", ...more });
  const form = h("form", { class: "filters", role: "search", "aria-label": "Which sessions" },
    field("status", "Status", options(chosen, statuses)),
    field("olderThan", "In it for longer than", input("olderThan", "text", { placeholder: "10m" })),
    field("anomaly", "Looks wrong", options(parameters.get("anomaly"), [["", "any or none"], ...ANOMALIES.map((code) => [code, code])])),
    field("userId", "User", input("userId", "search")),
    field("charger", "Charger or connector", input("charger", "search")),
    field("from", "Started from (UTC)", input("from", "text", { placeholder: "2025-06-12T10:00:00Z" })),
    field("to", "Started until (UTC)", input("to", "text", { placeholder: "2025-06-12T12:00:00Z" })),
    h("div", { class: "row" }, h("button", { class: "main" }, "Show"),
      h("a", { class: "button", href: link({ view: "sessions" }), "data-route": true }, "Clear")));
  const apply = (event) => {
    event.preventDefault();
    const values = Object.fromEntries([...new FormData(form)].filter(([, value]) => value));
    go(link({ view: "sessions", ...values }));
  };
  form.addEventListener("submit", apply);
  form.addEventListener("change", (event) => event.target.tagName === "SELECT" && apply(event));
  return form;
}

function nextQuestion(session) {
  const next = session.nextQuestion;
  if (!next) return "";
  const text = next.at && age(next.at) < 0 ? ["asked ", time(next.at)] : ["asked any moment"];
  return [text, next.tries > 0 && `, ${plural(next.tries, "answer")} without a change so far`];
}

function sessionRow(session) {
  const status = session.sessionStatus;
  const place = session.charger?.evseId ?? session.charger?.chargingStationName ?? session.connectorId;
  return h("tr", {},
    h("th", { scope: "row" }, sessionLink(session.sessionId, true)),
    h("td", {}, badge(status), session.effectiveStatus !== status && [" ", badge(`reads as ${session.effectiveStatus}`, TONES[session.effectiveStatus])],
      session.statusSince && h("div", { class: "small soft" }, "since ", time(session.statusSince, `${dateTime(session.statusSince)}`))),
    h("td", { "data-label": "User:" }, session.userId && h("a", { href: link({ view: "sessions", userId: session.userId }), "data-route": true }, session.userId)),
    h("td", { "data-label": "Charger:" }, place && h("a", { href: link({ view: "sessions", charger: place }), "data-route": true }, place)),
    h("td", { "data-label": "Heard last:" }, session.lastFact && [h("span", { class: "mono" }, session.lastFact.event), h("div", { class: "small soft" }, time(session.lastFact.receivedAt), ` from ${SOURCES[session.lastFact.source] ?? session.lastFact.source}`)]),
    h("td", { "data-label": "Next:" }, nextQuestion(session)),
    h("td", {}, (session.anomalies ?? []).map(({ code, explanation }) => [h("span", { title: explanation }, badge(code, "warn")), " "])));
}

const SOURCES = { webhook: "a callback", client: "our own app", driveApi: "the Drive API", cdr: "a charge detail record" };

async function sessionsView(parameters) {
  const query = new URLSearchParams([...parameters].filter(([name, value]) => FILTERS.includes(name) && value));
  query.set("limit", "100");
  if (parameters.get("cursor")) query.set("cursor", parameters.get("cursor"));
  const [page, fees] = await Promise.all([get(`/v1/sessions?${query}`), tryGet("/v1/fees?dueWithin=60m&limit=20")]);
  const next = page.cursor && link({ ...Object.fromEntries(parameters), cursor: page.cursor });
  return {
    title: "Sessions",
    content: [
      filterForm(parameters),
      fees?.fees.length > 0 && h("section", { class: "card" }, h("h2", {}, "Fees about to apply"),
        h("ul", {}, fees.fees.map((fee) => h("li", {}, `${fee.feeType ?? "A fee"} `, time(fee.feeWillApplyFrom), " to ", sessionLink(fee.sessionId))))),
      page.sessions.length === 0 ? h("p", { class: "card" }, "No session is like that.")
        : h("table", { class: "rows" }, h("caption", {}, `${plural(page.sessions.length, "session")}${page.cursor ? " on this page" : ""}`),
          h("thead", {}, h("tr", {}, ["Session", "Status", "User", "Charger", "Heard last", "Drive API", "Looks wrong"].map((name) => h("th", { scope: "col" }, name)))),
          h("tbody", {}, page.sessions.map(sessionRow))),
      next && h("p", {}, h("a", { class: "button", href: next, "data-route": true }, "Further ones")),
    ],
    // On a later page nothing moves under the reader.
    isAbout: () => !parameters.get("cursor"),
  };
}
