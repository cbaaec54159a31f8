// Where a series comes from: a dropped or chosen file, pasted text, or an example.

import { ask } from "./api.js";
import { readFile, readText } from "./csv_file.js";
import { button, element, labelled } from "./dom.js";
import { problemNotice } from "./problem_notice.js";

const EXAMPLES = [
  ["museum_visitors.csv", "Museum visitors, monthly"],
  ["electric_load.csv", "Electric load, hourly"],
  ["three_shops.csv", "Three shops, daily"],
];

// take: is given {name, table} once something can be used.
export function dataSourceCard(take, signal) {
  const said = element("div", { "aria-live": "polite" });
  const input = element("input", { type: "file", id: "file", class: "unseen", accept: ".csv,.tsv,.txt,.xlsx,text/csv,text/plain" });
  const drop = element(
    "div",
    { class: "drop" },
    element("p", { class: "drop-title" }, "Drop a CSV or Excel file here"),
    element("p", { class: "hint" }, "A first line with names; a column of times, if you have them; a column of numbers."),
    input,
    element("label", { for: "file", class: "button primary" }, "Choose a file"),
  );
  const pasted = element("textarea", { rows: 5, spellcheck: "false", placeholder: "date,value\n2024-01,112\n2024-02,118\n…" });

  async function use(name, read) {
    said.replaceChildren(element("p", { class: "hint" }, `Reading ${name} …`));
    try {
      const table = await read();
      said.replaceChildren();
      if (!signal.aborted) take({ name, table });
    } catch (error) {
      error.title ??= `${name} cannot be used`;
      said.replaceChildren(problemNotice(error));
    }
  }
  const useFile = (file) => file && use(file.name, () => readFile(file, signal));

  input.addEventListener("change", () => {
    useFile(input.files[0]);
    input.value = "";
  });
  acceptDrops(drop, useFile, signal);
  const example = ([file, title]) =>
    button(title, () => use(file, async () => readText(await (await ask(`/web/examples/${file}`, { signal })).text())), { class: "chip" });
  return element(
    "section",
    { class: "card", "aria-labelledby": "source" },
    element("h2", { id: "source" }, "Your series"),
    drop,
    element(
      "details",
      { class: "paste" },
      element("summary", {}, "Or paste it"),
      labelled("A CSV, or just numbers", pasted),
      button("Use these values", () => use("Pasted values", () => readText(pasted.value))),
    ),
    element("div", { class: "examples" }, element("span", { class: "hint" }, "Or try"), EXAMPLES.map(example)),
    said,
  );
}

// Anywhere on the page: a file that misses the field would otherwise take the page's place.
function acceptDrops(field, useFile, signal) {
  const over = (event) => {
    event.preventDefault();
    field.classList.add("over");
  };
  document.addEventListener("dragover", over, { signal });
  document.addEventListener("dragleave", (event) => event.relatedTarget || field.classList.remove("over"), { signal });
  document.addEventListener(
    "drop",
    (event) => {
      event.preventDefault();
      field.classList.remove("over");
      useFile(event.dataTransfer.files[0]);
    },
    { signal },
  );
}
