// Columns that help with the one that is forecast: by their past alone, so that a forecast asks for nothing more.

import { element } from "./dom.js";

export class CovariateFields {
  // names: of all columns of numbers, booleans and categories.
  constructor(names) {
    this.boxes = new Map(names.map((name) => [name, element("input", { type: "checkbox" })]));
    const choices = [...this.boxes].map(([name, box]) => element("label", { class: "choice" }, box, name));
    this.node = element("fieldset", { class: "choices" }, element("legend", {}, "Columns that help"), choices);
  }

  // taken: columns that are something else.
  offer(taken) {
    for (const [name, box] of this.boxes) {
      box.disabled = taken.includes(name);
      box.parentNode.hidden = box.disabled;
    }
    this.node.hidden = [...this.boxes.values()].every((box) => box.disabled);
  }

  get chosen() {
    return [...this.boxes].filter(([, box]) => box.checked && !box.disabled).map(([name]) => name);
  }

  choose(names) {
    for (const [name, box] of this.boxes) box.checked = names.includes(name);
  }
}
