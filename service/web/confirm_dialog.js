// Asks before something is gone.

import { button, element } from "./dom.js";

export function confirmed(question, consequence, verb) {
  const dialog = element("dialog", { "aria-labelledby": "confirm-title" });
  dialog.append(
    element("h2", { id: "confirm-title" }, question),
    element("p", {}, consequence),
    element(
      "div",
      { class: "row end" },
      button("Keep it", () => dialog.close(""), { autofocus: true }),
      button(verb, () => dialog.close("yes"), { class: "danger" }),
    ),
  );
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
  });
}
