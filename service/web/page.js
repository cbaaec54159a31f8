// The page: its views, its key, its theme.

import { jobsView } from "./jobs_view.js";
import { hasKey, installKey } from "./key.js";
import { modelView } from "./model_view.js";
import { modelsView } from "./models_view.js";
import { installRouter } from "./router.js";
import { installTheme } from "./theme.js";
import { trainView } from "./train_view.js";

const keyButton = document.getElementById("key-open");

function tellKey() {
  keyButton.textContent = hasKey() ? "Key ✓" : "Key";
  keyButton.setAttribute("aria-label", hasKey() ? "API key: one is given. Change it" : "API key: none is given. Give one");
}

installTheme(document.getElementById("theme"));
installKey(keyButton);
document.addEventListener("keychange", tellKey);
tellKey();
installRouter(document.getElementById("main"), [
  [/^\/$/, trainView],
  [/^\/models\/?$/, modelsView],
  [/^\/models\/([0-9a-f]+)$/, modelView],
  [/^\/jobs\/?$/, jobsView],
]);
