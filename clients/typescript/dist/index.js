// A client of the API gateway. docs/frontend.md shows it at work.
export { createClient } from "./client.js";
export { CallError, GatewayError, NetworkError, ServiceError } from "./errors.js";
