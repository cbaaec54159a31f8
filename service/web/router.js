// Which view the address asks for; each gets a signal that is raised when another takes its place.

import { isAbort } from "./api.js";
import { problemNotice } from "./problem_notice.js";

export function installRouter(main, routes) {
  let leaving = new AbortController();
  let first = true;

  async function show() {
    leaving.abort();
    leaving = new AbortController();
    const { signal } = leaving;
    const address = location.hash.replace(/^#/, "") || "/";
    const [view, parameters] = found(routes, address);
    const place = document.createElement("div");
    main.replaceChildren(place);
    for (const link of document.querySelectorAll("nav a")) {
      const here = link.hash === `#/${address.split("/")[1]}`;
      if (here) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    try {
      await view(place, { signal, parameters });
    } catch (error) {
      if (!isAbort(error) && !signal.aborted) place.append(problemNotice(error));
    }
    if (!signal.aborted) arrived(place);
  }

  // Who reads by ear is told where they are; at the first load the browser does that.
  function arrived(place) {
    const heading = place.querySelector("h1");
    document.title = heading ? `${heading.textContent} · Forecast service` : "Forecast service";
    if (!first && heading && (document.activeElement === document.body || !place.contains(document.activeElement))) {
      heading.tabIndex = -1;
      heading.focus({ preventScroll: true });
      window.scrollTo(0, 0);
    }
    first = false;
  }

  addEventListener("hashchange", () => (!location.hash || location.hash.startsWith("#/")) && show());
  show();
}

function found(routes, address) {
  for (const [pattern, view] of routes) {
    const match = pattern.exec(address);
    if (match) return [view, match.slice(1)];
  }
  return [routes[0][1], []];
}
