// Are we catching everything? The answer in words first, then what it is made of.

const LOST = {
  missing_credentials: "no signature, or no agreed header", wrong_credentials: "wrong signature or header",
  unsupported_media_type: "not JSON", malformed_content_coding: "broken gzip", body_too_large: "too large",
  invalid_event: "no session event", stray: "signed, at a wrong address", unavailable: "could not be made durable",
};

const sessionsLink = (filters, text) => h("a", { href: link({ view: "sessions", ...filters }), "data-route": true }, text);

/** What is wrong, worst first: [tone, sentence]. */
function findings(overview, receivers, secrets) {
  const { callbacks, quarantine, driveApi } = overview;
  const found = [];
  const add = (tone, ...sentence) => found.push([tone, sentence]);
  if (!overview.accepting) add("bad", `This receiver cannot make callbacks durable (${overview.reason ?? "unknown"}): they are refused, and lost.`);
  for (const receiver of receivers ?? []) {
    if (isLost(receiver)) add("warn", `Receiver ${receiver.name} has not been heard of for ${duration(receiver.secondsSinceSeen)}. The others take its callbacks.`);
    else if (!receiver.accepting) add("warn", `Receiver ${receiver.name} does not accept callbacks. The others do.`);
    if (receiver.oldestUnshippedSeconds > 60) {
      add("warn", `${receiver.name} has ${plural(receiver.unshippedDeliveries, "delivery", "deliveries")} that nobody else has, the oldest for ${duration(receiver.oldestUnshippedSeconds)}.`);
    }
    if (receiver.differingSecrets.length) add("bad", `${receiver.name} has other secrets than the receiver that answers (${receiver.differingSecrets.join(", ")}): what one of them accepts the other refuses.`);
  }
  const shared = overview.sharedLog;
  if (shared && !shared.reachable) add("warn", `The shared log does not answer: callbacks are taken, and ${plural(shared.unshippedDeliveries, "delivery is", "deliveries are")} on this disk alone.`);
  if (shared?.reachable && shared.synchronousStandbys === 0) add("warn", "The database has no synchronous standby: what is in the shared log is on one disk there.");
  const silence = callbacks.lastAt ? age(callbacks.lastAt) : undefined;
  const usual = callbacks.usualPerMinute;
  // As many callbacks are missing as would come once in a thousand times by chance.
  if (usual > 0 && silence !== undefined && (silence / 60) * usual > 7) {
    add("bad", `No callback for ${duration(silence)}; at this hour ${usual < 10 ? usual.toFixed(1) : Math.round(usual)} a minute are usual.`);
  }
  const refused = callbacks.refused.filter(({ lastHour }) => lastHour > 0);
  const unavailable = refused.find(({ reason }) => reason === "unavailable");
  if (unavailable) add("bad", `${plural(unavailable.lastHour, "callback")} of the last hour could not be made durable.`);
  const wrong = refused.find(({ reason }) => reason === "wrong_credentials");
  const isSecretWrong = wrong && !(callbacks.lastAt && age(callbacks.lastAt) < 3600);
  if (isSecretWrong) add("bad", `${plural(wrong.lastHour, "callback")} of the last hour had a wrong signature, and none a right one: the secret here is not the one they are signed with. Bodies are kept `, quarantineLink("in quarantine"), ".");
  else if (wrong) add("warn", `${plural(wrong.lastHour, "callback")} of the last hour had a wrong signature: a stranger, or a secret that is not known here. Bodies are kept `, quarantineLink("in quarantine"), ".");
  if (quarantine.verified > 0) add("warn", `${plural(quarantine.verified, "authentic body is", "authentic bodies are")} no session event and wait `, quarantineLink("in quarantine"), ".");
  if (driveApi?.keyRefused) add("warn", "The Drive API refuses the API key of this server: nothing can be started or stopped, and lost callbacks cannot be made up for.");
  if (driveApi?.breakerOpen) add("warn", "The Drive API does not answer: lost callbacks cannot be made up for at the moment.");
  if (overview.catchingUp) add("warn", "Sessions are being made again from the log. Callbacks are taken meanwhile.");
  if (secrets?.inUse === "NEXT") add("warn", "Callbacks are signed with the NEXT secret by now: it is time to make it the CURRENT one.");
  return found.sort(([a], [b]) => (a === b ? 0 : a === "bad" ? -1 : 1));
}

const quarantineLink = (text) => h("a", { href: link({ view: "quarantine" }), "data-route": true }, text);

function verdict(found, overview) {
  const worst = found[0]?.[0] ?? "good";
  const words = { good: "Yes, as far as we can see.", warn: "Yes, but look at this.", bad: "No." };
  return h("section", { class: `verdict ${worst}`, "aria-labelledby": "verdict" },
    h("h2", { id: "verdict" }, words[worst]),
    found.length === 0 && h("p", {}, overview.callbacks.lastAt
      ? ["The last callback came ", time(overview.callbacks.lastAt), "."] : "No callback has come yet."),
    found.length > 0 && h("ul", {}, found.map(([, sentence]) => h("li", {}, sentence))));
}

/** Which secret verified callbacks lately, from the counters: since the last look, or since the start. */
function secretsFrom(metrics, before) {
  const counts = Object.fromEntries([...metrics.matchAll(/^chargefold_callbacks_verified_total\{[^}]*secret="([^"]+)"[^}]*\} (\d+)/gm)]
    .map(([, name, count]) => [name.toUpperCase(), Number(count)]));
  const newest = Object.entries(counts).filter(([name, count]) => count > (before?.counts[name] ?? 0)).map(([name]) => name);
  return { counts, inUse: newest.length ? newest.join(", ") : before?.inUse };
}

/** Receivers say once a second that they are there. */
const isLost = (receiver) => receiver.secondsSinceSeen > 10;

function receiversCard(overview, receivers) {
  const shared = overview.sharedLog;
  const others = shared ? "the others are not known: the shared log does not answer" : "there is no other receiver";
  const list = receivers ?? [{ name: "This one", accepting: overview.accepting, only: true }];
  return h("section", { class: "card wide" }, h("h2", {}, "Receivers"),
    h("table", { class: "rows" }, h("caption", { class: "hush" }, "Receivers"),
      h("thead", {}, h("tr", {}, ["Receiver", "Callbacks", "Last seen", "Not yet with the others"].map((name) => h("th", { scope: "col" }, name)))),
      h("tbody", {}, list.map((receiver) => h("tr", {},
        h("th", { scope: "row" }, receiver.name),
        h("td", { "data-label": "Callbacks:" }, isLost(receiver) ? badge("not heard of", "bad") : badge(receiver.accepting ? "accepting" : "not accepting", receiver.accepting ? "good" : "bad")),
        h("td", { "data-label": "Last seen:" }, receiver.only || receiver.secondsSinceSeen < 3 ? "now" : `${duration(receiver.secondsSinceSeen)} ago`),
        h("td", { "data-label": "Not yet with the others:" }, receiver.only ? others
          : `${number(receiver.unshippedDeliveries)}${receiver.oldestUnshippedSeconds > 0 ? `, oldest ${duration(receiver.oldestUnshippedSeconds)}` : ""}`))))),
    shared && pairs([["Shared log", badge(shared.reachable ? "reachable" : "away: local mode", shared.reachable ? "good" : "bad")],
      ["Synchronous standbys", shared.synchronousStandbys === undefined ? "not known" : number(shared.synchronousStandbys)]]));
}

function refusalsCard(callbacks) {
  const rows = callbacks.refused.filter(({ total }) => total > 0);
  return card("Refused, by cause",
    rows.length === 0 ? h("p", {}, "None since the start.")
      : h("table", {}, h("caption", { class: "hush" }, "Refused callbacks"),
        h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Cause"), h("th", { scope: "col", class: "number" }, "Last hour"), h("th", { scope: "col", class: "number" }, "Since start"))),
        h("tbody", {}, rows.map(({ reason, lastHour, total }) => h("tr", {}, h("th", { scope: "row" }, LOST[reason] ?? reason),
          h("td", { class: "number" }, number(lastHour)), h("td", { class: "number" }, number(total)))))));
}

function downtimeCard(answer) {
  const last = answer?.downtimes[0];
  const lasting = answer?.open.find(({ to }) => !to);
  const causes = { stopped: "it was stopped", crashed: "it ended without a word", "store-unavailable": "nothing could be made durable" };
  return card("Last downtime",
    lasting && h("p", {}, h("strong", {}, "Callbacks are not accepted"), " since ", time(lasting.from), "."),
    !last ? h("p", {}, "None that is known.") : [
      h("p", {}, time(last.to), ` for ${duration(last.seconds)}: ${causes[last.cause] ?? last.cause}.`),
      last.nobodyAccepted && h("p", {}, last.nobodyAccepted.length === 0 ? "Another receiver accepted all the time."
        : `Nobody accepted for ${duration(last.nobodyAccepted.reduce((sum, gap) => sum + (Date.parse(gap.to) - Date.parse(gap.from)) / 1000, 0))} of it.`),
      h("p", {}, !last.sessions.searched ? "Sessions that may have missed something are being looked up."
        : last.sessions.affected === 0 ? "No session can have missed anything."
        : `${plural(last.sessions.affected, "session")} may have missed something; ${number(last.sessions.reconciled)} of them asked about since.`),
      last.sessions.list.length > 0 && h("details", {}, h("summary", {}, "Which ones"),
        h("ul", {}, last.sessions.list.map((session) => h("li", {}, sessionLink(session.sessionId),
          session.reconciledAt ? [" asked about ", time(session.reconciledAt)] : " not asked about yet")))),
    ]);
}

function sessionsCard(overview) {
  const count = (names) => overview.sessions.filter(({ status }) => names.includes(status)).reduce((sum, { count }) => sum + count, 0);
  return card("Sessions",
    h("p", { class: "figure" }, sessionsLink({ status: OPEN.join(",") }, number(count(OPEN))), h("span", { class: "small soft" }, " open")),
    h("ul", { class: "tags" }, overview.sessions.filter(({ count }) => count > 0).map(({ status, count }) =>
      h("li", {}, sessionsLink({ status }, badge(`${status} ${number(count)}`, TONES[status]))))),
    overview.driveApi && h("p", { class: "small soft" }, `${number(overview.driveApi.watched)} watched: the Drive API is asked about them.`));
}

function anomaliesCard(overview) {
  const some = overview.anomalies.filter(({ count }) => count > 0);
  return card("Sessions that look wrong",
    some.length === 0 ? h("p", {}, "None.") : h("table", {}, h("caption", { class: "hush" }, "Anomalies"),
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "What"), h("th", { scope: "col", class: "number" }, "Sessions"))),
      h("tbody", {}, some.map(({ code, explanation, count, more }) => h("tr", {}, h("th", { scope: "row" }, explanation),
        h("td", { class: "number" }, sessionsLink({ anomaly: code }, [`${number(count)}${more ? "+" : ""}`, h("span", { class: "hush" }, ` with ${code}`)])))))));
}

function callbacksCard(overview, secrets) {
  const { minutes, usualPerMinute: usual, lastAt } = overview.callbacks;
  return h("section", { class: "card wide" }, h("h2", {}, "Callbacks a minute"),
    minutesPlot(minutes, usual), legend(minutes, usual),
    h("details", {}, h("summary", {}, "Figures"), h("table", {}, h("caption", { class: "hush" }, "Callbacks a minute"),
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Minute (UTC)"), OUTCOMES.map(([, name]) => h("th", { scope: "col", class: "number" }, name)))),
      h("tbody", {}, minutes.filter((minute) => OUTCOMES.some(([key]) => minute[key] > 0)).reverse().map((minute) => h("tr", {},
        h("th", { scope: "row" }, clockTime(minute.at).slice(0, 5)), OUTCOMES.map(([key]) => h("td", { class: "number" }, number(minute[key])))))))),
    pairs([["Last callback", lastAt ? time(lastAt) : "none yet"],
      ["Usual at this hour", usual === undefined ? "not known yet: that takes a day of callbacks" : `${usual < 10 ? usual.toFixed(1) : Math.round(usual)} a minute`],
      ["Secret in use", secrets?.inUse]]));
}

let secrets;

async function overviewView() {
  const overview = await get("/v1/overview");
  const [receivers, downtime, metrics] = await Promise.all([
    overview.sharedLog && tryGet("/v1/receivers"), tryGet("/v1/downtime?limit=1&sessions=50"),
    request("/metrics").then((response) => response.text()),
  ]);
  secrets = secretsFrom(metrics, secrets);
  const list = receivers?.receivers;
  return {
    title: "Are we catching everything?",
    content: [
      verdict(findings(overview, list, secrets), overview),
      h("div", { class: "grid" }, callbacksCard(overview, secrets), receiversCard(overview, list), sessionsCard(overview),
        anomaliesCard(overview), refusalsCard(overview.callbacks), downtimeCard(downtime),
        card("Quarantine", h("p", {}, quarantineLink(`${number(overview.quarantine.verified)} authentic, ${number(overview.quarantine.unverified)} not`)),
          h("p", { class: "small soft" }, "Bodies that were refused, kept to be retried."))),
      h("p", { class: "small soft" }, `Chargefold ${overview.version}, running since ${dateTime(overview.startedAt)}.`),
    ],
    isAbout: () => true,
  };
}
