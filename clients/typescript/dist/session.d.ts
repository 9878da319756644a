import type { components } from "./schema.js";
export type Session = components["schemas"]["Session"];
/** A program's own tokens, where it has no cookies. */
export interface Tokens {
    accessToken: string;
    refreshToken?: string | null;
}
/** What `SessionState` asks the gateway for: a refresh gives the seconds that the new token lives, or throws. */
export interface Asking {
    refresh(): Promise<number>;
    session(): Promise<Session>;
}
export declare class SessionState {
    #private;
    current: Session | undefined;
    /** `shared`: the session is the browser's, and so that of all its tabs. */
    constructor(base: string, shared: boolean, asking: Asking);
    get lapsed(): boolean;
    /** Whether the access token has less than so many seconds. */
    lapsesWithin(seconds: number): boolean;
    subscribe(listener: () => void): () => void;
    /** The gateway's word on who is signed in; the other tabs learn of somebody new. */
    become(session: Session): Session;
    /** A call went without credentials: whoever was signed in is no more. */
    missing: () => void;
    /** Nobody is signed in any more: here, and in every tab. */
    over(): void;
    /**
     * Renews the session. `began` is when the request was sent that was refused, on the clock of `performance.now()`: one
     * that was sent before the last renewal was refused for the old token, and only has to be sent again.
     */
    renew(began?: number): Promise<void>;
    /** Renews the session in time until the returned function is called. */
    hold(): () => void;
    close(): void;
}
