// The public API, as any client asks it.

import { serverBack } from "./connection.js";
import { askForKey, hasKey, keyHeaders } from "./key.js";

// RFC 9457: what the server says of an error, or what stood in the way of asking it.
export class Problem extends Error {
  constructor(body, status = 0, retryAfter = 0) {
    super(body.detail || body.title || "The request failed");
    this.title = body.title ?? "The request failed";
    this.status = status;
    this.errors = body.errors ?? [];
    this.requestId = body.request_id ?? null;
    this.retryAfter = retryAfter;
  }
}

export function isAbort(error) {
  return error?.name === "AbortError";
}

// Asks until there is an answer. lasting: it may be sent again where none came, as nothing would happen twice.
export async function ask(path, { method = "GET", body, headers = {}, signal, lasting = method === "GET" } = {}) {
  for (let busy = 0; ; ) {
    let answer;
    try {
      answer = await fetch(path, { method, body, headers: { ...headers, ...keyHeaders() }, signal, cache: "no-store" });
    } catch (error) {
      if (isAbort(error)) throw error;
      const back = serverBack();
      if (!lasting) throw new Problem({ title: "The server does not answer", detail: "Try again when it is back." });
      await back;
      signal?.throwIfAborted();
      continue;
    }
    if (answer.ok) return answer;
    const problem = await problemOf(answer);
    if (answer.status === 401 && (await askForKey(hasKey() ? problem.message : "This server needs an API key."))) {
      continue;
    }
    if (answer.status === 503 && lasting && busy++ < 3) {
      await new Promise((resolve) => setTimeout(resolve, Math.max(1, problem.retryAfter) * 1000));
      signal?.throwIfAborted();
      continue;
    }
    throw problem;
  }
}

export async function askJson(path, options = {}) {
  return (await ask(path, options)).json();
}

export function post(path, content, options = {}) {
  return askJson(path, {
    method: "POST",
    body: JSON.stringify(content),
    headers: { "Content-Type": "application/json" },
    lasting: true,
    ...options,
  });
}

export function postCsv(path, query, text, options = {}) {
  const { headers = {}, ...others } = options;
  return askJson(`${path}?${query}`, {
    method: "POST",
    body: text,
    headers: { "Content-Type": "text/csv", ...headers },
    lasting: true,
    ...others,
  });
}

async function problemOf(answer) {
  const retryAfter = Number(answer.headers.get("Retry-After")) || 0;
  let body = {};
  try {
    body = await answer.json();
  } catch {
    body = { title: `The server answered ${answer.status}` };
  }
  return new Problem(body, answer.status, retryAfter);
}

// Not crypto.randomUUID, which browsers keep from pages without TLS.
export function newIdempotencyKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
