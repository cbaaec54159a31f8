// Whether the server answers. When it does not: a banner, tries with growing pauses, and a word when it is back.

const FIRST_PAUSE = 1;
const LONGEST_PAUSE = 15;
let back = null;

function banner() {
  return document.getElementById("banner");
}

// Resolves once the server answers again; one loop serves all who wait.
export function serverBack() {
  back ??= waited().finally(() => (back = null));
  return back;
}

async function waited() {
  const place = banner();
  place.className = "banner gone";
  place.hidden = false;
  for (let pause = FIRST_PAUSE; ; pause = Math.min(pause * 2, LONGEST_PAUSE)) {
    place.textContent = `The server does not answer. Nothing is lost; trying again in ${pause} s.`;
    await new Promise((resolve) => setTimeout(resolve, pause * 1000));
    if (await answers()) break;
  }
  place.className = "banner back";
  place.textContent = "The server is back.";
  setTimeout(() => {
    if (back === null) place.hidden = true;
  }, 4000);
}

async function answers() {
  try {
    const answer = await fetch("/readyz", { cache: "no-store", signal: AbortSignal.timeout(10_000) });
    return answer.ok;
  } catch {
    return false;
  }
}
