// Elements, and how times and numbers read. Nothing here ever takes markup: what comes from outside is text.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(3).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

const h = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
const s = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

/** What tells the reader what has happened, aloud as well. */
function toast(text) {
  const place = document.getElementById("toast");
  place.textContent = text;
  clearTimeout(toast.timer);
  toast.timer = setTimeout(() => (place.textContent = ""), 5000);
}

const two = (number) => String(number).padStart(2, "0");

/** An instant as UTC: what logs and the interface say, wherever the reader is. */
function clockTime(text) {
  const date = new Date(text);
  return `${two(date.getUTCHours())}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())}`;
}

function dateTime(text) {
  const date = new Date(text);
  const day = `${date.getUTCFullYear()}-${two(date.getUTCMonth() + 1)}-${two(date.getUTCDate())}`;
  return `${day} ${clockTime(text)} UTC`;
}

function duration(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60 ? `${whole % 60} s` : ""}`.trim();
  if (whole < 86400) return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
  return `${Math.floor(whole / 86400)} d ${Math.floor((whole % 86400) / 3600)} h`;
}

/** Seconds from an instant until now, by the server's clock. */
const age = (text) => (Date.now() + clockOffset - new Date(text)) / 1000;
let clockOffset = 0;

function ago(text) {
  const seconds = age(text);
  return seconds < 0 ? `in ${duration(-seconds)}` : `${duration(seconds)} ago`;
}

/** An instant for people, with the exact one for whoever needs it. */
const time = (text, shown = ago(text)) => h("time", { datetime: text, title: dateTime(text) }, shown);

const number = (value) => Number(value).toLocaleString("en");
const plural = (count, one, many = `${one}s`) => `${number(count)} ${count === 1 ? one : many}`;

const TONES = {
  CREATED: "cool", WAITING_TO_START: "cool", STARTED: "good", WAITING_TO_STOP: "warn", STOP_FAILED: "bad",
  STOPPED: "cool", COMPLETE: "plain", REFUNDED: "plain", FAILED: "bad", UNKNOWN: "warn",
};
const STATUSES = Object.keys(TONES);
const OPEN = ["CREATED", "WAITING_TO_START", "STARTED", "WAITING_TO_STOP", "STOP_FAILED"];
const badge = (text, tone) => h("span", { class: `badge ${tone ?? TONES[text] ?? "bad"}` }, text);

const pairs = (list) =>
  h("dl", { class: "pairs" }, list.filter(([, value]) => value !== undefined && value !== null && value !== "")
    .map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));

function card(title, ...children) {
  return h("section", { class: "card" }, h("h2", {}, title), ...children);
}

/** A question that waits for a yes. */
function confirmed(question, yes) {
  return new Promise((resolve) => {
    const dialog = h("dialog", { "aria-labelledby": "question" },
      h("p", { id: "question" }, question),
      h("form", { method: "dialog", class: "row" },
        h("button", { value: "yes", class: "danger" }, yes), h("button", { value: "no", autofocus: true }, "Cancel")));
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Without HTTPS there is no clipboard for pages but this one.
    const area = h("textarea", { class: "hush", "aria-hidden": "true" });
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  toast("Copied.");
}
