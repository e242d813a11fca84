// Why a session is what it is.

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/** The callback once more, for a shell. The secret is not here: `chargefold sign` has it. */
function signedCurl(fact) {
  const body = fact.body ?? JSON.stringify({ event: fact.event, payload: fact.payload });
  return `printf %s ${quoted(body)} \\\n  | chargefold sign --curl --to ${location.origin}/webhooks/session-events | sh`;
}

function money(price) {
  if (!price) return undefined;
  const digits = new Intl.NumberFormat("en", { style: "currency", currency: price.currencyCode ?? "XXX" }).resolvedOptions().maximumFractionDigits;
  const amount = (minor) => (minor === undefined ? "?" : (minor / 10 ** digits).toFixed(digits));
  return `${amount(price.minorInclVat)} ${price.currencyCode ?? ""} (without VAT ${amount(price.minorExclVat)})`;
}

function delay(fact) {
  const seconds = (Date.parse(fact.receivedAt) - Date.parse(fact.timestamp)) / 1000;
  if (seconds < 0) return `arrived ${duration(-seconds)} before its time`;
  return seconds < 1 ? "arrived at once" : `arrived ${duration(seconds)} later`;
}

function factItem(fact) {
  const isCallback = fact.source === "webhook";
  return h("li", { class: fact.decided ? "decided" : "" },
    h("div", { class: "head" }, h("strong", { class: "mono" }, fact.event), fact.status && badge(fact.status),
      fact.decided && badge("decided", "good"), h("span", { class: "soft small" }, SOURCES[fact.source] ?? fact.source),
      fact.deliveries > 1 && h("span", { class: "soft small" }, `delivered ${fact.deliveries} times`)),
    h("div", { class: "small" }, h("time", { datetime: fact.timestamp }, dateTime(fact.timestamp)), `, ${delay(fact)}`),
    h("div", { class: "small soft" }, fact.explanation),
    h("details", {}, h("summary", {}, "Body", h("span", { class: "hush" }, ` of ${fact.event}, ${dateTime(fact.timestamp)}`)),
      h("p", { class: "small soft" }, fact.body === undefined ? "As it is kept, in canonical form:" : "As it came:"),
      h("pre", { tabindex: 0, role: "group", "aria-label": "Body" }, fact.body ?? JSON.stringify(fact.payload, null, 2)),
      isCallback && h("button", { type: "button", onclick: () => copy(signedCurl(fact)) }, "Copy as signed curl")));
}

const ACTIONS = { stop: "Stop", startAnother: "Start another", abandon: "Give up", retryPayment: "Retry the payment" };

function actionsCard(session) {
  return card("What the driver may do now",
    h("table", {}, h("caption", { class: "hush" }, "Actions"),
      h("thead", {}, h("tr", {}, ["Action", "Allowed", "Why"].map((name) => h("th", { scope: "col" }, name)))),
      h("tbody", {}, Object.entries(session.actions ?? {}).map(([name, action]) => h("tr", {}, h("th", { scope: "row" }, ACTIONS[name] ?? name),
        h("td", {}, action.allowed ? badge("yes", "good") : badge("no", "plain")),
        h("td", {}, action.reason.toLowerCase().replaceAll("_", " "), action.notBefore && [", from ", time(action.notBefore)]))))));
}

function abandonButton(session, again) {
  if (!session.actions || session.abandonedAt) return null;
  return h("button", {
    type: "button", class: "danger", disabled: ["STOPPED", "COMPLETE", "REFUNDED"].includes(session.sessionStatus),
    onclick: async () => {
      const question = "Give this session up for the driver? Its status stays, later events count as ever, and the driver may start another.";
      if (!await confirmed(question, "Give it up")) return;
      await post(`/v1/sessions/${encodeURIComponent(session.sessionId)}/abandon`);
      toast("Given up.");
      again();
    },
  }, "Give up");
}

/** All facts, page by page; bodies too where the token may see them. */
async function factsOf(path) {
  const bodies = await tryGet(`${path}/facts?bodies=true`);
  const first = bodies ?? await get(`${path}/facts`);
  let next = first.next;
  while (next && first.facts.length < 5000) {
    const page = await get(`${path}/facts?after=${encodeURIComponent(next)}${bodies ? "&bodies=true" : ""}`);
    first.facts.push(...page.facts);
    next = page.next;
  }
  return first;
}

async function sessionView(id) {
  const path = `/v1/sessions/${encodeURIComponent(id)}`;
  const session = await get(path);
  const facts = await factsOf(path);
  const records = facts.facts.some((fact) => fact.source === "cdr") && await tryGet(`${path}/cdr`);
  const { charger, energy } = session;
  const recordList = records?.records ?? records?.cdrs ?? (records ? [records] : []);
  return {
    title: `Session ${id}`,
    content: [
      h("p", {}, badge(session.sessionStatus), session.effectiveStatus !== session.sessionStatus && [" ", badge(`reads as ${session.effectiveStatus}`, TONES[session.effectiveStatus])],
        session.statusSince && [" since ", time(session.statusSince), ` (${dateTime(session.statusSince)})`]),
      (session.anomalies ?? []).length > 0 && h("section", { class: "verdict warn" }, h("h2", {}, "This looks wrong"),
        h("ul", {}, session.anomalies.map(({ code, explanation }) => h("li", {}, h("span", { class: "mono" }, code), ` ${explanation}`)))),
      h("div", { class: "grid" },
        h("section", { class: "card wide" }, h("h2", {}, "Facts"),
          h("p", {}, h("strong", {}, "Why it is what it is: "), facts.decision.explanation),
          facts.facts.length > 0 && factsPlot(facts.facts),
          h("ol", { class: "facts" }, facts.facts.map(factItem))),
        card("Session", pairs([
          ["User", session.userId && h("a", { href: link({ view: "sessions", userId: session.userId }), "data-route": true }, session.userId)],
          ["Charger", charger && [charger.chargingStationName, charger.evseId, charger.streetName, charger.city].filter(Boolean).join(", ")],
          ["Connector", session.connectorId], ["Started", session.startTime && dateTime(session.startTime)],
          ["Stopped", session.stopTime && dateTime(session.stopTime)], ["Given up", session.abandonedAt && dateTime(session.abandonedAt)],
          ["Duration", session.duration], ["Energy", energy && `${energy.value} ${energy.unit}`],
          ["Price", money(session.price)], ["Payment", session.balanceStatus], ["Key type", session.chargingKeyType],
          ["Deliveries", `${session.deliveries.received}, of these ${session.deliveries.duplicates} repeats, ${session.deliveries.arrivedLate} late`],
          ["Version", session.version]]),
          (session.fees ?? []).length > 0 && [h("h3", {}, "Fees"), h("ul", {}, session.fees.map((fee) =>
            h("li", {}, `${fee.feeType ?? "A fee"}`, fee.feeWillApplyFrom && [" applies from ", time(fee.feeWillApplyFrom, dateTime(fee.feeWillApplyFrom))])))],
          h("div", { class: "row" }, abandonButton(session, () => show()))),
        actionsCard(session),
        card("Charge detail record", recordList.length === 0 ? h("p", {}, "None has come.")
          : recordList.map((record) => h("pre", { tabindex: 0, role: "group", "aria-label": "Charge detail record" }, JSON.stringify(record, null, 2))))),
    ],
    isAbout: (change) => change.session?.sessionId === id,
  };
}
