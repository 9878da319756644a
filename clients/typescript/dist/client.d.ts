import { type CallReport } from "./attempts.js";
import { type EventsOptions, type StreamEvent } from "./events.js";
import { type RetryPolicy } from "./retry.js";
import { type Session, type Tokens } from "./session.js";
import type { Answer, CallArguments, Method, PathOf } from "./types.js";
import { type Progress } from "./upload.js";
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
export declare class Client {
    #private;
    readonly baseUrl: string;
    constructor(options: ClientOptions);
    /** As `fetch`, below `baseUrl`, with the session: renewed and tried again where that helps. Any status is an answer. */
    fetch: (input: string | URL | Request, init?: RequestInit) => Promise<Response>;
    /** The body of a success, typed by the description of the API. Throws a `CallError` for all else. */
    call<M extends Method, P extends PathOf<M>>(method: M, path: P, ...[options]: CallArguments<M, P>): Promise<Answer<M, P>>;
    get: <P extends PathOf<"get">>(path: P, ...options: CallArguments<"get", P>) => Promise<Answer<"get", P>>;
    post: <P extends PathOf<"post">>(path: P, ...options: CallArguments<"post", P>) => Promise<Answer<"post", P>>;
    put: <P extends PathOf<"put">>(path: P, ...options: CallArguments<"put", P>) => Promise<Answer<"put", P>>;
    patch: <P extends PathOf<"patch">>(path: P, ...options: CallArguments<"patch", P>) => Promise<Answer<"patch", P>>;
    delete: <P extends PathOf<"delete">>(path: P, ...options: CallArguments<"delete", P>) => Promise<Answer<"delete", P>>;
    /** The address of a path, for `src` and `href`: by cookie the browser may ask for it itself. */
    url(path: string): string;
    /** The session as it is known; undefined before the first `session()`. The same object until it changes. */
    get current(): Session | undefined;
    /** Calls `listener` when `current` has changed, in any tab, until the returned function is called. */
    subscribe: (listener: () => void) => (() => void);
    /** Asks who is signed in, and renews a session whose access token has lapsed. */
    session(): Promise<Session>;
    /** Renews the session; all who ask meanwhile, in any tab, share one renewal. */
    refresh(): Promise<void>;
    /** Leaves the page for the sign-in, which comes back to `returnTo`, by default where the page is now. */
    signIn(returnTo?: string): Promise<void>;
    /** Ends the session, here and in every tab, and leaves the page to end it at the identity provider too. */
    signOut({ navigate }?: {
        navigate?: boolean | undefined;
    }): Promise<void>;
    /** Why the sign-in that has just come back failed, once; undefined where it did not. */
    takeAuthError(): AuthError | undefined;
    /** Renews the session in time, for what the page can not try again itself, until the returned function is called. */
    keepFresh(): () => void;
    /** Sends a file, with its progress. The body of the answer; throws as `call`, and the signal's reason. */
    upload(path: string, file: Blob, options?: UploadOptions): Promise<unknown>;
    /** Follows an event stream, over the ends of tokens and connections, until the returned function is called. */
    events(path: string, listener: (event: StreamEvent) => void, options?: EventsOptions): () => void;
    /** Plays a path of `/media` by cookie, over the ends of tokens, until the returned function is called. */
    play(media: HTMLMediaElement, path: string): () => void;
    /** Ends timers, streams' renewals and the word of other tabs. */
    close(): void;
}
export declare function createClient(options: ClientOptions): Client;
