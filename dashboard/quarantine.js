// Bodies that were refused, and what can be done with them.

async function act(button, work) {
  button.disabled = true;
  try {
    await work();
  } catch (error) {
    toast(error.code ? `${error.message} (${error.code})` : error.message);
  }
  button.disabled = false;
}

function bodyDetails(entry) {
  const details = h("details", {}, h("summary", {}, "Body", h("span", { class: "hush" }, ` of entry ${entry.id}`)));
  details.addEventListener("toggle", async () => {
    if (!details.open || details.querySelector("pre")) return;
    const full = await get(`/v1/quarantine/${entry.id}`);
    details.append(h("pre", { tabindex: 0, role: "group", "aria-label": `Body of entry ${entry.id}` }, full.body ?? full.bodyHex));
  });
  return details;
}

function quarantineRow(entry) {
  const retry = (event) => act(event.target, async () => {
    const result = await (await post(`/v1/quarantine/${entry.id}/retry`)).json();
    toast(`Entry ${entry.id}: ${result.outcome}.`);
    show();
  });
  const drop = (event) => act(event.target, async () => {
    if (!await confirmed(`Drop entry ${entry.id} for ever? Callbacks are sent once: nobody will send it again.`, "Drop it")) return;
    await request(`/v1/quarantine/${entry.id}`, { method: "DELETE" });
    toast(`Entry ${entry.id} is gone.`);
    show();
  });
  return h("tr", {},
    h("th", { scope: "row", class: "mono" }, entry.id),
    h("td", {}, badge(entry.kind === "verified" ? "authentic" : "not verified", entry.kind === "verified" ? "warn" : "plain"),
      entry.receiver && h("div", { class: "small soft" }, `at ${entry.receiver}`)),
    h("td", { "data-label": "Reason:" }, h("span", { class: "mono" }, entry.reason)),
    h("td", { "data-label": "Received:" }, time(entry.receivedAt), h("div", { class: "small soft" }, dateTime(entry.receivedAt))),
    h("td", {}, `${number(entry.bodyBytes)} bytes`, bodyDetails(entry)),
    h("td", {}, h("div", { class: "row" },
      h("button", { type: "button", onclick: retry, "aria-label": `Retry entry ${entry.id}` }, "Retry"),
      h("button", { type: "button", class: "danger", onclick: drop, "aria-label": `Drop entry ${entry.id}` }, "Drop"))));
}

async function quarantineView(parameters) {
  const after = parameters.get("after") ?? "0";
  const page = await get(`/v1/quarantine?limit=100&after=${encodeURIComponent(after)}`);
  const retryAll = (event) => act(event.target, async () => {
    const { results } = await (await post("/v1/quarantine/retry", '{"all":true}')).json();
    const taken = results.filter(({ outcome }) => outcome === "accepted" || outcome === "duplicate").length;
    toast(`${plural(taken, "entry was", "entries were")} taken, ${number(results.length - taken)} refused again.`);
    show();
  });
  return {
    title: "Quarantine",
    content: [
      h("p", {}, "Authentic bodies that are no session events, and for a while bodies whose signature did not verify. Once the cause is mended (a secret, a release), retry them."),
      page.entries.length === 0 ? h("p", { class: "card" }, "Nothing is in quarantine.") : [
        h("p", {}, h("button", { type: "button", onclick: retryAll }, "Retry all")),
        h("table", { class: "rows" }, h("caption", {}, `${plural(page.entries.length, "entry", "entries")}`),
          h("thead", {}, h("tr", {}, ["Entry", "Kind", "Reason", "Received", "Body", "What to do"].map((name) => h("th", { scope: "col" }, name)))),
          h("tbody", {}, page.entries.map(quarantineRow)))],
      page.after && h("p", {}, h("a", { class: "button", href: link({ view: "quarantine", after: page.after }), "data-route": true }, "Further ones")),
    ],
    isAbout: () => false,
  };
}
