// Server-sent events (HTML Living Standard, section 9.2) over fetch, which can carry a token and the last event's id.

import { CallError, errorOf, ServiceError } from "./errors.js";
import { pause } from "./retry.js";

export interface StreamEvent {
  /** `message` where the stream names none. */
  type: string;
  data: string;
  lastEventId: string;
}

export interface EventsOptions {
  /** The stream is there, for the first time or again. */
  onOpen?: () => void;
  /** The stream broke: `again` says whether it is tried again. */
  onError?: (error: unknown, again: boolean) => void;
  /** Where to go on from. */
  lastEventId?: string;
  signal?: AbortSignal;
}

const PAUSE_MS = 1_000;
/** However little the stream's `retry` asks for, where it ended well. */
const SHORTEST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 30_000;

/** Reads a stream until the signal is aborted, and comes back whenever it ends; `open` asks for it. */
export async function follow(
  open: (headers: Record<string, string>, signal: AbortSignal) => Promise<Response>,
  listener: (event: StreamEvent) => void,
  signal: AbortSignal,
  { onOpen, onError, lastEventId = "" }: EventsOptions,
): Promise<void> {
  let retry = PAUSE_MS;
  let failures = 0;
  while (!signal.aborted) {
    let asked = 0;
    try {
      const headers = { Accept: "text/event-stream", ...(lastEventId && { "Last-Event-ID": lastEventId }) };
      const answer = await open(headers, signal);
      if (answer.status === 204) return;
      const isStream = answer.headers.get("Content-Type")?.startsWith("text/event-stream");
      if (!answer.ok) throw errorOf(answer.status, await answer.text(), answer.headers);
      if (!answer.body || !isStream) throw new ServiceError("That is no event stream.", answer.status);
      onOpen?.();
      failures = 0;
      for await (const field of eventsOf(answer.body)) {
        if (typeof field === "number") retry = field;
        else listener({ ...field, lastEventId: (lastEventId = field.lastEventId ?? lastEventId) });
      }
    } catch (error) {
      if (signal.aborted) return;
      const again = !(error instanceof CallError && isFinal(error.status));
      onError?.(error, again);
      if (!again) return;
      failures++;
      asked = (error instanceof CallError && error.retryAfter) || 0;
    }
    const least = Math.max(retry, failures ? PAUSE_MS : SHORTEST_PAUSE_MS);
    const wait = Math.min(least * 2 ** Math.max(0, failures - 1), LONGEST_PAUSE_MS);
    await pause(Math.max(asked * 1000, wait), signal).catch(() => undefined);
  }
}

/** No later try would fare better: nobody is signed in, there is no such stream, or it is none. */
const isFinal = (status: number) => status >= 200 && status < 500 && status !== 408 && status !== 429;

type Field = { type: string; data: string; lastEventId: string | undefined } | number;

/** The events of a stream, and the milliseconds of its `retry` fields. */
async function* eventsOf(body: ReadableStream<Uint8Array>): AsyncGenerator<Field> {
  let type = "";
  let data: string[] = [];
  let id: string | undefined;
  for await (const line of linesOf(body)) {
    if (!line) {
      if (data.length) yield { type: type || "message", data: data.join("\n"), lastEventId: id };
      type = "";
      data = [];
      continue;
    }
    const [name, value = ""] = line.split(/: ?(.*)/s);
    if (name === "data") data.push(value);
    else if (name === "event") type = value;
    else if (name === "id" && !value.includes("\0")) id = value;
    else if (name === "retry" && /^\d+$/.test(value)) yield Number(value);
  }
}

async function* linesOf(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const reader = body.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>).getReader();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      // A carriage return at the end may be the first half of CRLF.
      const lines = (rest + value).split(/\r\n|\n|\r(?!$)/);
      rest = lines.pop() ?? "";
      yield* lines;
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}
