// What axe would look for, as far as it can be told from the page alone. Returns sentences; none is good.
const problems = [];
const shown = (element) => element.checkVisibility({ opacityProperty: true, visibilityProperty: true })
  && !element.closest(".hush, .skip") && element.getClientRects().length > 0;
const nameOf = (element) => (element.getAttribute("aria-label")
  ?? (element.getAttribute("aria-labelledby") ?? "").split(" ").map((id) => document.getElementById(id)?.textContent ?? "").join(" ").trim())
  || [...(element.labels ?? [])].map((label) => label.textContent).join(" ").trim() || element.textContent.trim() || element.title;
const told = (element) => `<${element.tagName.toLowerCase()} ${element.className?.baseVal ?? element.className ?? ""}> ${element.textContent.trim().slice(0, 40)}`;

for (const element of document.querySelectorAll("button, a[href], input, select, textarea, summary, [role=img], img, dialog")) {
  if (element.closest("[hidden]")) continue;
  if (!nameOf(element)) problems.push(`has no name: ${told(element)}`);
}
for (const input of document.querySelectorAll("input, select, textarea")) {
  if (!input.labels?.length && !input.getAttribute("aria-label")) problems.push(`has no label: ${input.outerHTML.slice(0, 80)}`);
}
const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) problems.push(`the id ${id} is there twice`);
for (const element of document.querySelectorAll("[aria-labelledby], [aria-describedby]")) {
  for (const id of `${element.getAttribute("aria-labelledby") ?? ""} ${element.getAttribute("aria-describedby") ?? ""}`.trim().split(/\s+/)) {
    if (!document.getElementById(id)) problems.push(`${id} is named and not there`);
  }
}
if (!document.documentElement.lang) problems.push("the page has no language");
if (document.querySelectorAll("h1").length !== 1) problems.push("there is not one h1");
if (document.querySelectorAll("main").length !== 1) problems.push("there is not one main");
let level = 0;
for (const heading of document.querySelectorAll("h1, h2, h3, h4")) {
  const next = Number(heading.tagName[1]);
  if (next > level + 1) problems.push(`h${next} follows h${level}: ${heading.textContent}`);
  level = next;
}
for (const table of document.querySelectorAll("table")) {
  if (!table.caption) problems.push("a table has no caption");
  for (const header of table.querySelectorAll("th")) if (!header.scope) problems.push(`th without scope: ${header.textContent}`);
}
for (const list of document.querySelectorAll("ul, ol")) {
  for (const child of list.children) if (child.tagName !== "LI") problems.push(`a list holds <${child.tagName}>`);
}
for (const element of document.querySelectorAll("[tabindex]")) if (element.tabIndex > 0) problems.push(`tabindex ${element.tabIndex}`);
for (const element of document.querySelectorAll("[role=button], [onclick]")) problems.push(`should be a button: ${told(element)}`);

// Contrast (WCAG 2.2, 1.4.3), of all text that is shown.
const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
const parsed = (color) => {
  canvas.clearRect(0, 0, 1, 1);
  canvas.fillStyle = color;
  canvas.fillRect(0, 0, 1, 1);
  return [...canvas.getImageData(0, 0, 1, 1).data];
};
const luminance = ([r, g, b]) => {
  const part = (value) => { const x = value / 255; return x <= 0.03928 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4; };
  return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
};
const behind = (element) => {
  for (let at = element; at; at = at.parentElement) {
    const color = parsed(getComputedStyle(at).backgroundColor);
    if (color[3] === 255) return color;
  }
  return [255, 255, 255, 255];
};
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
const seen = new Set();
while (walker.nextNode()) {
  const element = walker.currentNode.parentElement;
  if (!walker.currentNode.data.trim() || seen.has(element) || !shown(element)) continue;
  seen.add(element);
  const style = getComputedStyle(element);
  const isSVG = element instanceof SVGElement;
  if (element.disabled || (isSVG && element.tagName === "title")) continue;
  const [one, two] = [luminance(parsed(isSVG ? style.fill : style.color)), luminance(behind(element))];
  const ratio = (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05);
  const size = parseFloat(style.fontSize);
  const least = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700) ? 3 : 4.5;
  if (ratio < least) problems.push(`contrast ${ratio.toFixed(2)} of ${told(element)}`);
}
// Targets (2.5.8): what is pressed is not too small to press.
for (const button of document.querySelectorAll("button, input, select")) {
  const box = button.getBoundingClientRect();
  if (shown(button) && (box.height < 24 || box.width < 24)) problems.push(`too small to press: ${told(button)}`);
}
if (document.scrollingElement.scrollWidth > innerWidth + 1) problems.push(`scrolls sideways: ${document.scrollingElement.scrollWidth} > ${innerWidth}`);
return problems;
