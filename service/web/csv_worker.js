// Reads a CSV beside the page, which goes on answering meanwhile.

import { readCsv } from "./csv.js";

addEventListener("message", ({ data }) => {
  try {
    postMessage({ table: readCsv(data.text, data.decimal) });
  } catch (error) {
    postMessage({ refused: error.message });
  }
});
