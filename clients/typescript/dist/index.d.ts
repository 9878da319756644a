export type { CallReport } from "./attempts.js";
export { createClient, type AuthError, type Client, type ClientOptions, type UploadOptions } from "./client.js";
export { CallError, GatewayError, NetworkError, ServiceError, type ErrorCode } from "./errors.js";
export type { EventsOptions, StreamEvent } from "./events.js";
export type { RetryPolicy } from "./retry.js";
export type { components, paths } from "./schema.js";
export type { Session, Tokens } from "./session.js";
export type { Progress } from "./upload.js";
