// A job's server-sent events, read by fetch: EventSource cannot send a key.

import { ask, askJson, isAbort } from "./api.js";

const PAUSE = 1000;

// Yields the job at each change, the last time when it has ended; goes on after the server was away.
export async function* jobEvents(jobId, signal) {
  let seen = null;
  for (;;) {
    try {
      const headers = seen === null ? {} : { "Last-Event-ID": seen };
      const answer = await ask(`/jobs/${jobId}/events`, { headers, signal });
      if (answer.status === 204) return;
      for await (const event of eventsIn(answer.body)) {
        seen = event.id ?? seen;
        yield JSON.parse(event.data);
        if (event.type === "end") return;
      }
    } catch (error) {
      if (isAbort(error) || (error.status && error.status !== 503)) throw error;
      if (error.status === 503) {
        // Too many watch already: asking now and then costs the server less.
        const job = await askJson(`/jobs/${jobId}`, { signal });
        yield job;
        if (job.finished_at) return;
      }
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE));
    signal?.throwIfAborted();
  }
}

// WHATWG HTML, 9.2.6.
async function* eventsIn(stream) {
  let rest = "";
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const blocks = (rest + value).split("\n\n");
      rest = blocks.pop();
      for (const block of blocks) {
        const event = eventOf(block);
        if (event.data) yield event;
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

function eventOf(block) {
  const event = { type: "message", id: null, data: "" };
  for (const line of block.split("\n")) {
    const [, name, value] = /^([a-z]*): ?(.*)$/.exec(line) ?? [];
    if (name === "event") event.type = value;
    else if (name === "id") event.id = value;
    else if (name === "data") event.data += value;
  }
  return event;
}
