// The client: calls, the session, uploads, event streams, media.

import { attempts, type CallReport } from "./attempts.js";
import { bodyOf, errorOf, GatewayError, NetworkError } from "./errors.js";
import { follow, type EventsOptions, type StreamEvent } from "./events.js";
import { play } from "./media.js";
import { unlessAborted, type RetryPolicy } from "./retry.js";
import { SessionState, type Session, type Tokens } from "./session.js";
import type { Answer, CallArguments, Method, PathOf } from "./types.js";
import { send, type Outgoing, type Progress } from "./upload.js";
import { baseOf, pathOf, queryOf } from "./url.js";

/** Why a sign-in failed: what the gateway leaves in the frontend's address as `?authError=`. */
export type AuthError = "access_denied" | "expired" | "failed" | "unavailable" | "misconfigured";

export interface ClientOptions {
  /** The gateway as the page reaches it, `/api` behind one origin, else `https://api.example.com`. */
  baseUrl: string;
  /** For programs: their tokens in place of the browser's cookies. */
  tokens?: Tokens;
  /** The tokens were renewed: keep them, the old refresh token is used up. */
  onTokens?: (tokens: Tokens) => void;
  /** After each try of a call. */
  onCall?: (report: CallReport) => void;
  /** How many more tries a call gets that failed for now (2), and the longest wait in seconds (20). */
  retry?: Partial<RetryPolicy>;
}

export interface UploadOptions {
  method?: "PUT" | "POST";
  headers?: Record<string, string>;
  onProgress?: (progress: Progress) => void;
  signal?: AbortSignal;
}

/** An upload is refused before its end where its token lapses: so many seconds have to be left when it begins. */
const FRESH_SECONDS = 30;
/** A renewal that hangs would hold up every tab. */
const REFRESH_MS = 30_000;

export class Client {
  readonly baseUrl: string;
  #options: ClientOptions;
  #tokens: Tokens | undefined;
  #policy: RetryPolicy;
  #state: SessionState;

  constructor(options: ClientOptions) {
    this.baseUrl = baseOf(options.baseUrl);
    this.#options = options;
    this.#tokens = options.tokens;
    this.#policy = { retries: 2, maxWait: 20, ...options.retry };
    const asking = { refresh: () => this.#askRefresh(), session: () => this.session() };
    this.#state = new SessionState(this.baseUrl, !options.tokens, asking);
  }

  // Calls

  /** As `fetch`, below `baseUrl`, with the session: renewed and tried again where that helps. Any status is an answer. */
  fetch = async (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
    const request = input instanceof Request ? new Request(input, init) : new Request(this.url(String(input)), init);
    const path = this.#below(request.url);
    const send = () => fetch(new Request(request.clone(), this.#credentials(request.headers)));
    return this.#attempt(request.method, path, request.headers.has("Idempotency-Key"), request.signal, send);
  };

  /** The body of a success, typed by the description of the API. Throws a `CallError` for all else. */
  async call<M extends Method, P extends PathOf<M>>(
    method: M,
    path: P,
    ...[options]: CallArguments<M, P>
  ): Promise<Answer<M, P>> {
    const { path: inPath, query, json, body, headers, signal }: Loose = options ?? {};
    const sent: RequestInit = { method: method.toUpperCase(), headers: new Headers(headers), signal: signal ?? null };
    if (json !== undefined) (sent.headers as Headers).set("Content-Type", "application/json");
    sent.body = json === undefined ? (body ?? null) : JSON.stringify(json);
    const answer = await this.fetch(pathOf(path, inPath) + queryOf(query), sent);
    return (await contentOf(answer)) as Answer<M, P>;
  }

  get = <P extends PathOf<"get">>(path: P, ...options: CallArguments<"get", P>) => this.call("get", path, ...options);
  post = <P extends PathOf<"post">>(path: P, ...options: CallArguments<"post", P>) => this.call("post", path, ...options);
  put = <P extends PathOf<"put">>(path: P, ...options: CallArguments<"put", P>) => this.call("put", path, ...options);
  patch = <P extends PathOf<"patch">>(path: P, ...options: CallArguments<"patch", P>) =>
    this.call("patch", path, ...options);
  delete = <P extends PathOf<"delete">>(path: P, ...options: CallArguments<"delete", P>) =>
    this.call("delete", path, ...options);

  /** The address of a path, for `src` and `href`: by cookie the browser may ask for it itself. */
  url(path: string): string {
    return path.startsWith("/") ? this.baseUrl + path : path;
  }

  // The session

  /** The session as it is known; undefined before the first `session()`. The same object until it changes. */
  get current(): Session | undefined {
    return this.#state.current;
  }

  /** Calls `listener` when `current` has changed, in any tab, until the returned function is called. */
  subscribe = (listener: () => void): (() => void) => this.#state.subscribe(listener);

  /** Asks who is signed in, and renews a session whose access token has lapsed. */
  async session(): Promise<Session> {
    let session = await this.call("get", "/auth/session");
    const mayRenew = session.authenticated ? false : session.refreshable || Boolean(this.#tokens?.refreshToken);
    if (mayRenew) {
      try {
        await this.refresh();
        session = await this.call("get", "/auth/session");
      } catch (error) {
        if (!(error instanceof GatewayError && error.signInNeeded)) throw error;
      }
    }
    return this.#state.become(session);
  }

  /** Renews the session; all who ask meanwhile, in any tab, share one renewal. */
  refresh(): Promise<void> {
    return this.#state.renew();
  }

  /** Leaves the page for the sign-in, which comes back to `returnTo`, by default where the page is now. */
  async signIn(returnTo = location.pathname + location.search + location.hash): Promise<void> {
    const { authUrl } = await this.call("post", "/auth/login", { json: { returnTo } });
    location.assign(authUrl);
  }

  /** Ends the session, here and in every tab, and leaves the page to end it at the identity provider too. */
  async signOut({ navigate = typeof location !== "undefined" } = {}): Promise<void> {
    const refreshToken = this.#tokens?.refreshToken;
    const { endSessionUrl } = await this.call("post", "/auth/logout", refreshToken ? { json: { refreshToken } } : {});
    this.#tokens &&= { accessToken: "" };
    this.#state.over();
    if (navigate) location.assign(endSessionUrl ?? "/");
  }

  /** Why the sign-in that has just come back failed, once; undefined where it did not. */
  takeAuthError(): AuthError | undefined {
    const address = new URL(location.href);
    const reason = address.searchParams.get("authError");
    if (reason === null) return undefined;
    address.searchParams.delete("authError");
    history.replaceState(history.state, "", address);
    return reason as AuthError;
  }

  /** Renews the session in time, for what the page can not try again itself, until the returned function is called. */
  keepFresh(): () => void {
    return this.#state.hold();
  }

  // Bodies that take their time

  /** Sends a file, with its progress. The body of the answer; throws as `call`, and the signal's reason. */
  async upload(path: string, file: Blob, options: UploadOptions = {}): Promise<unknown> {
    const { method = "PUT", headers: given, signal, onProgress } = options;
    const url = new URL(this.url(path), globalThis.location?.href).href;
    const below = this.#below(url);
    if (this.#state.lapsesWithin(FRESH_SECONDS)) await unlessAborted(this.refresh(), signal);
    const keyed = Object.keys(given ?? {}).some((name) => name.toLowerCase() === "idempotency-key");
    const release = this.keepFresh();
    try {
      const answer = await this.#attempt(method, below, keyed, signal, () => {
        const fields = new Headers(given);
        if (!fields.has("Content-Type")) fields.set("Content-Type", file.type || "application/octet-stream");
        const { headers, credentials } = this.#credentials(fields);
        const outgoing: Outgoing = { method, url, body: file, signal, onProgress, credentials, headers };
        return send(outgoing);
      });
      return await contentOf(answer);
    } finally {
      release();
    }
  }

  /** Follows an event stream, over the ends of tokens and connections, until the returned function is called. */
  events(path: string, listener: (event: StreamEvent) => void, options: EventsOptions = {}): () => void {
    const stop = new AbortController();
    const signal = options.signal ? AbortSignal.any([stop.signal, options.signal]) : stop.signal;
    const release = this.keepFresh();
    const open = (headers: Record<string, string>) => this.fetch(path, { headers, signal, cache: "no-store" });
    void follow(open, listener, signal, options).finally(release);
    return () => stop.abort();
  }

  /** Plays a path of `/media` by cookie, over the ends of tokens, until the returned function is called. */
  play(media: HTMLMediaElement, path: string): () => void {
    return play(media, this.url(path), this.#state);
  }

  /** Ends timers, streams' renewals and the word of other tabs. */
  close(): void {
    this.#state.close();
  }

  #attempt(
    method: string,
    path: string,
    keyed: boolean,
    signal: AbortSignal | undefined,
    send: () => Promise<Response>,
  ): Promise<Response> {
    const renewable = !path.startsWith("/auth/") && (!this.#tokens || Boolean(this.#tokens.refreshToken));
    const renew = renewable ? (began: number) => this.#state.renew(began) : undefined;
    const report = this.#options.onCall ?? (() => undefined);
    const missing = this.#state.missing;
    return attempts({ method, path, keyed, signal, send, renew, missing }, this.#policy, report);
  }

  /** The session goes to the gateway alone. */
  #below(url: string): string {
    if (!url.startsWith(`${this.baseUrl}/`)) throw new TypeError(`${url} is not below ${this.baseUrl}`);
    return url.slice(this.baseUrl.length);
  }

  #credentials(given: Headers): { headers: Record<string, string>; credentials: RequestCredentials } {
    const headers = Object.fromEntries(given);
    if (!this.#tokens) return { headers, credentials: "include" };
    if (this.#tokens.accessToken) headers["authorization"] = `Bearer ${this.#tokens.accessToken}`;
    return { headers, credentials: "omit" };
  }

  async #askRefresh(): Promise<number> {
    const refreshToken = this.#tokens?.refreshToken;
    const signal = AbortSignal.timeout(REFRESH_MS);
    try {
      const options = refreshToken ? { json: { refreshToken }, signal } : { signal };
      const answer = await this.call("post", "/auth/refresh", options);
      if ("accessToken" in answer) {
        this.#tokens = { accessToken: answer.accessToken, refreshToken: answer.refreshToken };
        this.#options.onTokens?.(this.#tokens);
      }
      return answer.expiresIn;
    } catch (error) {
      if (error instanceof GatewayError && error.signInNeeded) this.#state.over();
      throw signal.aborted ? new NetworkError(error) : error;
    }
  }
}

interface Loose {
  path?: Record<string, unknown>;
  query?: Record<string, unknown>;
  json?: unknown;
  body?: BodyInit;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

async function contentOf(answer: Response): Promise<unknown> {
  const text = await answer.text();
  if (!answer.ok) throw errorOf(answer.status, text, answer.headers);
  return bodyOf(text, answer.headers.get("Content-Type"));
}

export function createClient(options: ClientOptions): Client {
  return new Client(options);
}
