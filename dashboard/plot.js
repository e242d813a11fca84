// Two drawings. Each has its sentence for those who do not see it, and its figures stand beside it.

const OUTCOMES = [
  ["accepted", "accepted"], ["duplicate", "repeats"], ["refused", "refused"], ["unavailable", "could not be made durable"],
];

/** Callbacks a minute, stacked by outcome, the newest on the right. */
function minutesPlot(minutes, usual) {
  const width = 600, height = 100, bottom = 1, top = 1, left = 0;
  const total = (minute) => OUTCOMES.reduce((sum, [key]) => sum + minute[key], 0);
  const most = Math.max(1, usual ?? 0, ...minutes.map(total));
  const step = (width - left) / minutes.length;
  const scale = (value) => (value / most) * (height - top - bottom);
  const bars = minutes.flatMap((minute, index) => {
    let y = height - bottom;
    return OUTCOMES.filter(([key]) => minute[key] > 0).map(([key]) => {
      const size = Math.max(1, scale(minute[key]));
      y -= size;
      return s("rect", { class: key, x: left + index * step + 0.5, y, width: step - 1, height: size },
        s("title", {}, `${clockTime(minute.at).slice(0, 5)} UTC: ${minute[key]} ${key}`));
    });
  });
  const sums = OUTCOMES.map(([key, name]) => [name, minutes.reduce((sum, minute) => sum + minute[key], 0)]);
  const sentence = `Callbacks in the last ${minutes.length} minutes: `
    + sums.map(([name, count]) => `${count} ${name}`).join(", ") + `; at most ${Math.max(...minutes.map(total))} a minute.`;
  const usualY = height - bottom - scale(usual ?? 0);
  // Stretched to the width there is; the words stand beside it, and are not.
  return h("figure", {},
    h("p", { class: "small soft" }, `${number(Math.ceil(most))} a minute`),
    s("svg", { class: "plot", viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", role: "img", "aria-label": sentence },
      s("line", { x1: left, x2: width, y1: height - bottom, y2: height - bottom }),
      s("line", { x1: left, x2: width, y1: top, y2: top }),
      bars,
      usual > 0 && s("line", { class: "usual", x1: left, x2: width, y1: usualY, y2: usualY })),
    h("p", { class: "ends small soft" }, h("span", {}, `${clockTime(minutes[0].at).slice(0, 5)} UTC`), h("span", {}, "now")));
}

function legend(minutes, usual) {
  return h("ul", { class: "legend" },
    OUTCOMES.map(([key, name]) => h("li", {},
      s("svg", { viewBox: "0 0 10 10", "aria-hidden": "true" }, s("rect", { class: key, width: 10, height: 10, rx: 2 })),
      `${name}: ${number(minutes.reduce((sum, minute) => sum + minute[key], 0))}`)),
    usual !== undefined && h("li", {}, `┄ usual at this hour: ${usual < 10 ? usual.toFixed(1) : Math.round(usual)} a minute`));
}

/** A session's facts: when they happened above, when they arrived below. A line that leans is a delay. */
function factsPlot(facts) {
  const width = 900, height = 150, left = 66, right = 24, above = 46, below = 112;
  const instants = facts.flatMap((fact) => [Date.parse(fact.timestamp), Date.parse(fact.receivedAt)]);
  const first = Math.min(...instants), last = Math.max(...instants, first + 1000);
  const x = (instant) => left + ((instant - first) / (last - first)) * (width - left - right);
  let latest = -Infinity;
  const byArrival = [...facts].sort((a, b) => Date.parse(a.receivedAt) - Date.parse(b.receivedAt));
  const late = new Set(byArrival.filter((fact) => {
    const happened = Date.parse(fact.timestamp);
    const isLate = happened < latest;
    latest = Math.max(latest, happened);
    return isLate;
  }));
  const text = (position, y, content, anchor = "middle") => s("text", { x: position, y, "text-anchor": anchor }, content);
  let labelled = -Infinity;
  const marks = facts.map((fact) => {
    const happened = x(Date.parse(fact.timestamp)), arrived = x(Date.parse(fact.receivedAt));
    const isRoom = happened - labelled > 110;
    if (isRoom) labelled = happened;
    const name = fact.event.replace("SESSION_", "").toLowerCase().replaceAll("_", " ");
    return s("g", {},
      s("title", {}, `${fact.event}: ${dateTime(fact.timestamp)}, received ${dateTime(fact.receivedAt)}`),
      s("line", { class: late.has(fact) ? "late" : "link", x1: happened, y1: above, x2: arrived, y2: below }),
      s("circle", { class: fact.decided ? "decided" : "", cx: happened, cy: above, r: 5 }),
      s("circle", { class: fact.decided ? "decided" : "", cx: arrived, cy: below, r: 5 }),
      isRoom && text(Math.min(happened, width - 60), above - 14, name));
  });
  const sentence = `${plural(facts.length, "fact")} between ${dateTime(first)} and ${dateTime(last)}; `
    + `${late.size ? `${late.size} arrived after something later was known` : "all arrived in the order in which they happened"}.`;
  return [
    s("svg", { class: "line", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": sentence },
      s("line", { class: "axis", x1: left, x2: width - right, y1: above, y2: above }),
      s("line", { class: "axis", x1: left, x2: width - right, y1: below, y2: below }),
      text(0, above + 4, "happened", "start"), text(0, below + 4, "arrived", "start"),
      text(left, below + 26, clockTime(first), "start"), text(width - right, below + 26, `${clockTime(last)} UTC`, "end"),
      marks),
    h("p", { class: "small soft" }, sentence),
  ];
}
