// What a call can fail with: no answer, an error of the gateway's, an error of the service behind it.
//
// CallError
// ├── NetworkError      no answer came: offline, CORS, cut off
// ├── GatewayError      the gateway's own, told apart by `code`
// └── ServiceError      the service's own, in whatever shape it has
export class CallError extends Error {
    status;
    body;
    retryAfter;
    name = "CallError";
    constructor(message, 
    /** The status of the answer, 0 without one. */
    status, 
    /** The body as it came: JSON where it is JSON, else text; undefined where there is none. */
    body, 
    /** Seconds after which a new try makes sense, where the answer says so (`Retry-After`). */
    retryAfter) {
        super(message);
        this.status = status;
        this.body = body;
        this.retryAfter = retryAfter;
    }
}
export class NetworkError extends CallError {
    name = "NetworkError";
    constructor(cause) {
        super("The gateway did not answer.", 0);
        this.cause = cause;
    }
}
export class GatewayError extends CallError {
    name = "GatewayError";
    code;
    /** Finds the request in the gateway's logs and traces: show it to who asks for help. */
    traceId;
    constructor(shape, retryAfter) {
        super(shape.message, shape.statusCode, shape, retryAfter);
        this.code = shape.code;
        this.traceId = shape.traceId;
    }
    /** The session is over, here or everywhere: only a new sign-in helps. */
    get signInNeeded() {
        return this.status === 401;
    }
}
export class ServiceError extends CallError {
    name = "ServiceError";
}
/** The gateway's error in an answer's body, if it is one. */
export function shapeOf(status, body) {
    const shape = body;
    const isOne = typeof shape?.code === "string" && typeof shape.traceId === "string" && shape.statusCode === status;
    return isOne ? shape : undefined;
}
/** The body of an answer: JSON where it says so, else text; undefined where it is empty. */
export function bodyOf(text, contentType) {
    if (!text)
        return undefined;
    try {
        return /\bjson\b/.test(contentType ?? "") ? JSON.parse(text) : text;
    }
    catch {
        return text;
    }
}
/** The error of an answer that is one. */
export function errorOf(status, text, headers) {
    const body = bodyOf(text, headers.get("Content-Type"));
    const wait = secondsOf(headers.get("Retry-After"));
    const shape = shapeOf(status, body);
    if (shape)
        return new GatewayError(shape, wait);
    const message = body?.message;
    return new ServiceError(typeof message === "string" ? message : `The service answered ${status}.`, status, body, wait);
}
/** `Retry-After` (RFC 9110 section 10.2.3), in seconds: it may be a number or a date. */
export function secondsOf(value) {
    if (!value)
        return undefined;
    const seconds = /^\d+$/.test(value) ? Number(value) : (Date.parse(value) - Date.now()) / 1000;
    return Number.isNaN(seconds) ? undefined : Math.max(0, seconds);
}
