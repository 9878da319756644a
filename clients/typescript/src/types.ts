// What `client.get("/interviews/{id}", …)` takes and gives, read from the description of the API.

import type { paths } from "./schema.js";

export type Method = "get" | "post" | "put" | "patch" | "delete";

/** The paths that have a method. */
export type PathOf<M extends Method> = {
  [P in keyof paths]: paths[P] extends { [K in M]: object } ? P : never;
}[keyof paths];

type Operation<M extends Method, P extends PathOf<M>> = paths[P][M];

type PathParameters<O> = O extends { parameters: { path: infer Given } } ? { path: Given } : { path?: never };
type QueryParameters<O> = O extends { parameters: { query?: infer Given } }
  ? { query?: NonNullable<Given> }
  : { query?: never };
type JsonBody<O> = O extends { requestBody?: { content: { "application/json": infer Given } } }
  ? { json?: Given }
  : { json?: never };

export interface Extras {
  /** In place of `json`: sent as it is. */
  body?: BodyInit;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

export type CallOptions<M extends Method, P extends PathOf<M>> = PathParameters<Operation<M, P>> &
  QueryParameters<Operation<M, P>> &
  JsonBody<Operation<M, P>> &
  Extras;

/** Optional where everything in it is. */
export type CallArguments<M extends Method, P extends PathOf<M>> = object extends CallOptions<M, P>
  ? [options?: CallOptions<M, P>]
  : [options: CallOptions<M, P>];

type Successful = 200 | 201 | 202 | 203 | 204 | 206;
type Content<R> = R extends { content: infer C } ? C[keyof C] : undefined;

/** The body of a success. */
export type Answer<M extends Method, P extends PathOf<M>> =
  Operation<M, P> extends { responses: infer R }
    ? { [S in keyof R & Successful]: Content<R[S]> }[keyof R & Successful]
    : never;
