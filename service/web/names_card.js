// The names that mean a model, or did by its own name: what they mean, since when, and the way back.

import { askJson, isAbort, post } from "./api.js";
import { button, element, section, table } from "./dom.js";
import { momentWords } from "./format.js";
import { problemNotice } from "./problem_notice.js";

const SHOWN = 20;

export async function namesCard(model, signal) {
  const page = await askJson(`/names?${new URLSearchParams({ model_id: model.model_id, limit: SHOWN })}`, { signal });
  const names = page.names.map((one) => one.name);
  if (model.name !== null && !names.includes(model.name)) names.unshift(model.name);
  // Browsers take these for folders, in whatever way they are written.
  const askable = names.filter((name) => ![".", ".."].includes(name));
  if (!askable.length) return null;
  return section("Names", {}, ...(await Promise.all(askable.map((name) => nameBlock(name, model, signal)))));
}

async function nameBlock(name, model, signal) {
  const path = `/names/${encodeURIComponent(name)}`;
  const place = element("div", { role: "group", "aria-label": `Name ${name}` });
  const said = element("div", { role: "status" });

  async function draw() {
    const shown = await askJson(path, { signal });
    const here = shown.model_id === model.model_id;
    const { rollback_to: back } = shown;
    place.replaceChildren(
      element("h3", {}, name),
      element("p", {}, ...meaningOf(shown, here)),
      element(
        "div",
        { class: "row" },
        back && button("Roll back", () => move(shown, "rollback"), { title: `To model ${back.model_id.slice(0, 8)}` }),
        here && shown.mode === "pinned" ? null : button("Promote this model", () => move(shown, "promote", { model_id: model.model_id })),
        shown.mode === "pinned" ? button("Follow the newest", () => move(shown, "follow")) : null,
      ),
      said,
      ...(shown.history.length ? [historyOf(shown.history)] : []),
    );
  }

  // With the revision that is shown: what somebody else has moved meanwhile is not moved unseen.
  async function move({ revision }, verb, content = {}) {
    said.replaceChildren();
    try {
      await post(`${path}/${verb}?revision=${revision}`, content, { signal, lasting: false });
      await draw();
      place.querySelector("h3").tabIndex = -1;
      place.querySelector("h3").focus();
    } catch (error) {
      if (!isAbort(error)) said.replaceChildren(problemNotice(error));
    }
  }

  await draw();
  return place;
}

function meaningOf({ model_id: modelId, mode, since, by }, here) {
  if (modelId === null) return ["No ready model has this name."];
  const which = here ? "this model" : element("a", { href: `#/models/${modelId}` }, `model ${modelId.slice(0, 8)}`);
  const how = mode === "pinned" ? ["Pinned to ", which] : ["Means ", which, ", the newest with this name"];
  return [...how, ` since ${momentWords(since)}`, by && mode === "pinned" ? `, by ${by}` : "", "."];
}

function historyOf(moves) {
  const rows = moves.map((one) => [
    momentWords(one.at),
    one.reason,
    one.model_id === null ? null : element("a", { href: `#/models/${one.model_id}` }, one.model_id.slice(0, 8)),
    one.mode,
    one.by,
  ]);
  return element(
    "details",
    {},
    element("summary", {}, "History"),
    table(["Moved", "What", "Model", "Mode", "By"], rows, "Moves of the name, newest first"),
  );
}
