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
export declare function delay(attempt: Attempt, tried: number, policy: RetryPolicy): number | undefined;
/** More overflows, and a timer fires at once. */
export declare const LONGEST_TIMER_MS: number;
/** Waits; rejects with the signal's reason when it is aborted meanwhile. */
export declare function pause(milliseconds: number, signal?: AbortSignal | null): Promise<void>;
/** What comes of `promise`, which others may share; rejects with the signal's reason when it is aborted before. */
export declare function unlessAborted<T>(promise: Promise<T>, signal?: AbortSignal | null): Promise<T>;
