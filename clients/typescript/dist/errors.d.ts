import type { components } from "./schema.js";
type Shape = components["schemas"]["Error"];
/** The stable words of the gateway's errors. */
export type ErrorCode = Shape["code"];
export declare class CallError extends Error {
    /** The status of the answer, 0 without one. */
    readonly status: number;
    /** The body as it came: JSON where it is JSON, else text; undefined where there is none. */
    readonly body?: unknown | undefined;
    /** Seconds after which a new try makes sense, where the answer says so (`Retry-After`). */
    readonly retryAfter?: number | undefined;
    name: string;
    constructor(message: string, 
    /** The status of the answer, 0 without one. */
    status: number, 
    /** The body as it came: JSON where it is JSON, else text; undefined where there is none. */
    body?: unknown | undefined, 
    /** Seconds after which a new try makes sense, where the answer says so (`Retry-After`). */
    retryAfter?: number | undefined);
}
export declare class NetworkError extends CallError {
    name: string;
    constructor(cause?: unknown);
}
export declare class GatewayError extends CallError {
    name: string;
    readonly code: ErrorCode;
    /** Finds the request in the gateway's logs and traces: show it to who asks for help. */
    readonly traceId: string;
    constructor(shape: Shape, retryAfter?: number);
    /** The session is over, here or everywhere: only a new sign-in helps. */
    get signInNeeded(): boolean;
}
export declare class ServiceError extends CallError {
    name: string;
}
/** The gateway's error in an answer's body, if it is one. */
export declare function shapeOf(status: number, body: unknown): Shape | undefined;
/** The body of an answer: JSON where it says so, else text; undefined where it is empty. */
export declare function bodyOf(text: string, contentType: string | null): unknown;
/** The error of an answer that is one. */
export declare function errorOf(status: number, text: string, headers: {
    get(name: string): string | null;
}): CallError;
/** `Retry-After` (RFC 9110 section 10.2.3), in seconds: it may be a number or a date. */
export declare function secondsOf(value: string | null): number | undefined;
export {};
