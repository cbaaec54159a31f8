// Elements made by hand: texts are always text nodes, so nothing that a file or the server says can become markup.

const SVG = "http://www.w3.org/2000/svg";

export function element(tag, properties = {}, ...children) {
  return filled(document.createElement(tag), properties, children);
}

export function drawing(tag, properties = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), properties, children);
}

// on: listeners by event; hidden, disabled and other booleans as they are; null leaves an attribute out.
function filled(node, { on = {}, ...attributes }, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) node.setAttribute(name, "");
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value);
  }
  for (const [event, listener] of Object.entries(on)) node.addEventListener(event, listener);
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

export function button(text, onClick, properties = {}) {
  return element("button", { type: "button", ...properties, on: { click: onClick } }, text);
}

export function labelled(text, control, hint = null) {
  const id = control.id || `field-${(labelled.count = (labelled.count ?? 0) + 1)}`;
  control.id = id;
  if (hint) control.setAttribute("aria-describedby", `${id}-hint`);
  return element(
    "div",
    { class: "field" },
    element("label", { for: id }, text),
    control,
    hint && element("small", { id: `${id}-hint` }, hint),
  );
}

export function options(names, chosen) {
  return names.map(([value, text]) => element("option", { value, selected: value === chosen }, text));
}

export function section(title, properties = {}, ...children) {
  return element("section", { class: "card", ...properties }, element("h2", {}, title), ...children);
}

export function table(headings, rows, caption) {
  return element(
    "div",
    { class: "scrolling", tabindex: 0, role: "region", "aria-label": caption },
    element(
      "table",
      {},
      element("caption", { class: "unseen" }, caption),
      element("thead", {}, element("tr", {}, headings.map((heading) => element("th", { scope: "col" }, heading)))),
      element("tbody", {}, rows.map((cells) => element("tr", {}, cells.map((cell) => element("td", {}, cell ?? "–"))))),
    ),
  );
}
