// The API key: kept in this tab alone and sent as a header; never in a URL, never in storage that outlives the tab.

const STORED = "forecast-key";
let key = "";
let asking = null;

try {
  key = sessionStorage.getItem(STORED) ?? "";
} catch {
  // storage is switched off: the key lasts as long as the page
}

export function hasKey() {
  return key !== "";
}

export function keyHeaders() {
  return key ? { Authorization: `Bearer ${key}` } : {};
}

function keep(value) {
  key = value;
  try {
    if (value) sessionStorage.setItem(STORED, value);
    else sessionStorage.removeItem(STORED);
  } catch {
    // as above
  }
  document.dispatchEvent(new Event("keychange"));
}

// Shows the dialog; resolves with whether a key was given. One dialog serves all who ask at once.
export function askForKey(reason = "") {
  asking ??= shown(reason).finally(() => (asking = null));
  return asking;
}

function shown(reason) {
  const dialog = document.getElementById("key-dialog");
  const field = document.getElementById("key-field");
  document.getElementById("key-reason").textContent = reason;
  field.value = "";
  field.setAttribute("aria-invalid", String(reason !== ""));
  document.getElementById("key-forget").hidden = !hasKey();
  dialog.returnValue = "";
  dialog.showModal();
  field.focus();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "given"), { once: true });
  });
}

export function installKey(open) {
  const dialog = document.getElementById("key-dialog");
  const field = document.getElementById("key-field");
  open.addEventListener("click", () => askForKey());
  dialog.querySelector("form").addEventListener("submit", (event) => {
    event.preventDefault();
    const value = field.value.trim();
    // What no header can carry is no key.
    if (!/^[\x21-\x7e]+$/.test(value)) {
      document.getElementById("key-reason").textContent = "A key has no spaces and only plain characters.";
      field.setAttribute("aria-invalid", "true");
      field.focus();
      return;
    }
    keep(value);
    dialog.close("given");
  });
  document.getElementById("key-cancel").addEventListener("click", () => dialog.close(""));
  document.getElementById("key-forget").addEventListener("click", () => {
    keep("");
    dialog.close("");
  });
}
