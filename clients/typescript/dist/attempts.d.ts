import { type RetryPolicy } from "./retry.js";
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
export declare function attempts(call: Call, policy: RetryPolicy, report: (what: CallReport) => void): Promise<Response>;
