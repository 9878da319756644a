// Which answers are worth another try, and when.

import { secondsOf } from "./errors.js";

const IDEMPOTENT = new Set(["GET", "HEAD", "OPTIONS", "PUT", "DELETE"]);
const TEMPORARY = new Set([408, 502, 503, 504]);
/** The gateway answered before anything was sent to the service: safe for any method. */
const NEVER_SENT = new Set(["breaker_open", "overloaded", "unavailable", "keycloak_unavailable", "rate_limited"]);

export interface RetryPolicy {
  /** How many more tries a call gets; 0 for none. */
  retries: number;
  /** Seconds: an answer that asks for a longer wait is given to the caller at once. */
  maxWait: number;
}

/** What is asked and what came of it; without `status` there was no answer. */
export interface Attempt {
  method: string;
  /** The request has an `Idempotency-Key`: the service takes it once. */
  keyed: boolean;
  status?: number;
  code?: string | undefined;
  retryAfter: string | null;
}

/** Milliseconds to wait before the next try; undefined where there is to be none. `tried`: how many there were. */
export function delay(attempt: Attempt, tried: number, policy: RetryPolicy): number | undefined {
  const { status = 0, code = "" } = attempt;
  const temporary = status === 0 || TEMPORARY.has(status);
  const safe = IDEMPOTENT.has(attempt.method) || attempt.keyed;
  if (tried > policy.retries || !(status === 429 || (temporary && (safe || NEVER_SENT.has(code))))) return undefined;
  const asked = secondsOf(attempt.retryAfter);
  // A refusal without a time would be refused again.
  if (status === 429 && asked === undefined) return undefined;
  if ((asked ?? 0) > policy.maxWait) return undefined;
  const spread = 0.5 + Math.random() / 2;
  return Math.max((asked ?? 0) * 1000, 300 * 2 ** (tried - 1) * spread);
}

/** More overflows, and a timer fires at once. */
export const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Waits; rejects with the signal's reason when it is aborted meanwhile. */
export function pause(milliseconds: number, signal?: AbortSignal | null): Promise<void> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const stop = () => (clearTimeout(timer), reject(signal?.reason));
    const end = () => (signal?.removeEventListener("abort", stop), resolve());
    const timer = setTimeout(end, Math.min(milliseconds, LONGEST_TIMER_MS));
    signal?.addEventListener("abort", stop, { once: true });
  });
}

/** What comes of `promise`, which others may share; rejects with the signal's reason when it is aborted before. */
export function unlessAborted<T>(promise: Promise<T>, signal?: AbortSignal | null): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = () => reject(signal?.reason);
    void promise.then(resolve, reject).finally(() => signal?.removeEventListener("abort", stop));
    if (signal?.aborted) stop();
    signal?.addEventListener("abort", stop, { once: true });
  });
}
