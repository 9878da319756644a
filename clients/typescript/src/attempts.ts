// One call, with all its tries: a lapsed token is renewed, a temporary failure waits and tries again.

import { bodyOf, NetworkError, shapeOf, type ErrorCode } from "./errors.js";
import { delay, pause, unlessAborted, type RetryPolicy } from "./retry.js";

/** 401s after which the client refreshes, and retries once (docs/errors.md). A refused refresh removes the cookies. */
const RENEWABLE: ErrorCode[] = ["token_expired", "token_invalid", "session_ended"];
const RENEWALS = 2;

/** A call of which the listener is told; `status` 0 is no answer at all. */
export interface CallReport {
  method: string;
  path: string;
  status: number;
  milliseconds: number;
}

export interface Call {
  method: string;
  path: string;
  keyed?: boolean;
  signal?: AbortSignal | null | undefined;
  /** Sends it, once more at each call. */
  send(): Promise<Response>;
  /** After a 401 of a try that began then (`performance.now()`). Without it a 401 is final. */
  renew?: ((began: number) => Promise<void>) | undefined;
  /** After a 401 that says that there are no credentials at all. */
  missing?: () => void;
}

/** The answer, whatever its status; `NetworkError` where there is none. */
export async function attempts(call: Call, policy: RetryPolicy, report: (what: CallReport) => void): Promise<Response> {
  const { method, path, keyed = false, signal } = call;
  let renewals = 0;
  for (let tried = 1; ; tried++) {
    const began = performance.now();
    const tell = (status: number) => report({ method, path, status, milliseconds: performance.now() - began });
    let answer: Response | undefined;
    let failure: unknown;
    try {
      answer = await call.send();
      tell(answer.status);
    } catch (error) {
      signal?.throwIfAborted();
      tell(0);
      failure = error instanceof NetworkError ? error : new NetworkError(error);
    }
    const code = answer && !answer.ok ? await codeOf(answer) : undefined;
    if (answer?.status === 401 && call.renew && renewals < RENEWALS && isRenewable(method, code)) {
      renewals++;
      tried--;
      await unlessAborted(call.renew(began), signal);
      continue;
    }
    if (code === "token_missing") call.missing?.();
    const retryAfter = answer?.headers.get("Retry-After") ?? null;
    const seen = { method, keyed, code, retryAfter, ...(answer && { status: answer.status }) };
    const wait = answer?.ok ? undefined : delay(seen, tried, policy);
    if (wait === undefined) {
      if (answer) return answer;
      throw failure;
    }
    await answer?.body?.cancel();
    await pause(wait, signal);
  }
}

/** An answer to HEAD has no body to say it. */
const isRenewable = (method: string, code: ErrorCode | undefined) =>
  method === "HEAD" || (code !== undefined && RENEWABLE.includes(code));

async function codeOf(answer: Response): Promise<ErrorCode | undefined> {
  const kind = answer.headers.get("Content-Type");
  if (!kind?.startsWith("application/json")) return undefined;
  const text = await answer.clone().text().catch(() => "");
  return shapeOf(answer.status, bodyOf(text, kind))?.code;
}
