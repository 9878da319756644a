// The client: calls, the session, uploads, event streams, media.
import { attempts } from "./attempts.js";
import { bodyOf, errorOf, GatewayError, NetworkError } from "./errors.js";
import { follow } from "./events.js";
import { play } from "./media.js";
import { unlessAborted } from "./retry.js";
import { SessionState } from "./session.js";
import { send } from "./upload.js";
import { baseOf, pathOf, queryOf } from "./url.js";
/** An upload is refused before its end where its token lapses: so many seconds have to be left when it begins. */
const FRESH_SECONDS = 30;
/** A renewal that hangs would hold up every tab. */
const REFRESH_MS = 30_000;
export class Client {
    baseUrl;
    #options;
    #tokens;
    #policy;
    #state;
    constructor(options) {
        this.baseUrl = baseOf(options.baseUrl);
        this.#options = options;
        this.#tokens = options.tokens;
        this.#policy = { retries: 2, maxWait: 20, ...options.retry };
        const asking = { refresh: () => this.#askRefresh(), session: () => this.session() };
        this.#state = new SessionState(this.baseUrl, !options.tokens, asking);
    }
    // Calls
    /** As `fetch`, below `baseUrl`, with the session: renewed and tried again where that helps. Any status is an answer. */
    fetch = async (input, init) => {
        const request = input instanceof Request ? new Request(input, init) : new Request(this.url(String(input)), init);
        const path = this.#below(request.url);
        const send = () => fetch(new Request(request.clone(), this.#credentials(request.headers)));
        return this.#attempt(request.method, path, request.headers.has("Idempotency-Key"), request.signal, send);
    };
    /** The body of a success, typed by the description of the API. Throws a `CallError` for all else. */
    async call(method, path, ...[options]) {
        const { path: inPath, query, json, body, headers, signal } = options ?? {};
        const sent = { method: method.toUpperCase(), headers: new Headers(headers), signal: signal ?? null };
        if (json !== undefined)
            sent.headers.set("Content-Type", "application/json");
        sent.body = json === undefined ? (body ?? null) : JSON.stringify(json);
        const answer = await this.fetch(pathOf(path, inPath) + queryOf(query), sent);
        return (await contentOf(answer));
    }
    get = (path, ...options) => this.call("get", path, ...options);
    post = (path, ...options) => this.call("post", path, ...options);
    put = (path, ...options) => this.call("put", path, ...options);
    patch = (path, ...options) => this.call("patch", path, ...options);
    delete = (path, ...options) => this.call("delete", path, ...options);
    /** The address of a path, for `src` and `href`: by cookie the browser may ask for it itself. */
    url(path) {
        return path.startsWith("/") ? this.baseUrl + path : path;
    }
    // The session
    /** The session as it is known; undefined before the first `session()`. The same object until it changes. */
    get current() {
        return this.#state.current;
    }
    /** Calls `listener` when `current` has changed, in any tab, until the returned function is called. */
    subscribe = (listener) => this.#state.subscribe(listener);
    /** Asks who is signed in, and renews a session whose access token has lapsed. */
    async session() {
        let session = await this.call("get", "/auth/session");
        const mayRenew = session.authenticated ? false : session.refreshable || Boolean(this.#tokens?.refreshToken);
        if (mayRenew) {
            try {
                await this.refresh();
                session = await this.call("get", "/auth/session");
            }
            catch (error) {
                if (!(error instanceof GatewayError && error.signInNeeded))
                    throw error;
            }
        }
        return this.#state.become(session);
    }
    /** Renews the session; all who ask meanwhile, in any tab, share one renewal. */
    refresh() {
        return this.#state.renew();
    }
    /** Leaves the page for the sign-in, which comes back to `returnTo`, by default where the page is now. */
    async signIn(returnTo = location.pathname + location.search + location.hash) {
        const { authUrl } = await this.call("post", "/auth/login", { json: { returnTo } });
        location.assign(authUrl);
    }
    /** Ends the session, here and in every tab, and leaves the page to end it at the identity provider too. */
    async signOut({ navigate = typeof location !== "undefined" } = {}) {
        const refreshToken = this.#tokens?.refreshToken;
        const { endSessionUrl } = await this.call("post", "/auth/logout", refreshToken ? { json: { refreshToken } } : {});
        this.#tokens &&= { accessToken: "" };
        this.#state.over();
        if (navigate)
            location.assign(endSessionUrl ?? "/");
    }
    /** Why the sign-in that has just come back failed, once; undefined where it did not. */
    takeAuthError() {
        const address = new URL(location.href);
        const reason = address.searchParams.get("authError");
        if (reason === null)
            return undefined;
        address.searchParams.delete("authError");
        history.replaceState(history.state, "", address);
        return reason;
    }
    /** Renews the session in time, for what the page can not try again itself, until the returned function is called. */
    keepFresh() {
        return this.#state.hold();
    }
    // Bodies that take their time
    /** Sends a file, with its progress. The body of the answer; throws as `call`, and the signal's reason. */
    async upload(path, file, options = {}) {
        const { method = "PUT", headers: given, signal, onProgress } = options;
        const url = new URL(this.url(path), globalThis.location?.href).href;
        const below = this.#below(url);
        if (this.#state.lapsesWithin(FRESH_SECONDS))
            await unlessAborted(this.refresh(), signal);
        const keyed = Object.keys(given ?? {}).some((name) => name.toLowerCase() === "idempotency-key");
        const release = this.keepFresh();
        try {
            const answer = await this.#attempt(method, below, keyed, signal, () => {
                const fields = new Headers(given);
                if (!fields.has("Content-Type"))
                    fields.set("Content-Type", file.type || "application/octet-stream");
                const { headers, credentials } = this.#credentials(fields);
                const outgoing = { method, url, body: file, signal, onProgress, credentials, headers };
                return send(outgoing);
            });
            return await contentOf(answer);
        }
        finally {
            release();
        }
    }
    /** Follows an event stream, over the ends of tokens and connections, until the returned function is called. */
    events(path, listener, options = {}) {
        const stop = new AbortController();
        const signal = options.signal ? AbortSignal.any([stop.signal, options.signal]) : stop.signal;
        const release = this.keepFresh();
        const open = (headers) => this.fetch(path, { headers, signal, cache: "no-store" });
        void follow(open, listener, signal, options).finally(release);
        return () => stop.abort();
    }
    /** Plays a path of `/media` by cookie, over the ends of tokens, until the returned function is called. */
    play(media, path) {
        return play(media, this.url(path), this.#state);
    }
    /** Ends timers, streams' renewals and the word of other tabs. */
    close() {
        this.#state.close();
    }
    #attempt(method, path, keyed, signal, send) {
        const renewable = !path.startsWith("/auth/") && (!this.#tokens || Boolean(this.#tokens.refreshToken));
        const renew = renewable ? (began) => this.#state.renew(began) : undefined;
        const report = this.#options.onCall ?? (() => undefined);
        const missing = this.#state.missing;
        return attempts({ method, path, keyed, signal, send, renew, missing }, this.#policy, report);
    }
    /** The session goes to the gateway alone. */
    #below(url) {
        if (!url.startsWith(`${this.baseUrl}/`))
            throw new TypeError(`${url} is not below ${this.baseUrl}`);
        return url.slice(this.baseUrl.length);
    }
    #credentials(given) {
        const headers = Object.fromEntries(given);
        if (!this.#tokens)
            return { headers, credentials: "include" };
        if (this.#tokens.accessToken)
            headers["authorization"] = `Bearer ${this.#tokens.accessToken}`;
        return { headers, credentials: "omit" };
    }
    async #askRefresh() {
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
        }
        catch (error) {
            if (error instanceof GatewayError && error.signInNeeded)
                this.#state.over();
            throw signal.aborted ? new NetworkError(error) : error;
        }
    }
}
async function contentOf(answer) {
    const text = await answer.text();
    if (!answer.ok)
        throw errorOf(answer.status, text, answer.headers);
    return bodyOf(text, answer.headers.get("Content-Type"));
}
export function createClient(options) {
    return new Client(options);
}
