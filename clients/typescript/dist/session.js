// The session: who is signed in, how long, and its renewal, once for all who ask.
import { LONGEST_TIMER_MS } from "./retry.js";
import { tabsOf } from "./tabs.js";
const NOBODY = { authenticated: false };
/** Of a token's life, after which it is renewed while a stream or a player needs it. */
const RENEWED_AFTER = 0.75;
const AGAIN_MS = 5_000;
/** Near the end of a session its tokens live ever shorter: no sooner than this after the last renewal. */
const LEAST_MS = 1_000;
const now = () => performance.now();
export class SessionState {
    current;
    #asking;
    #tabs;
    #listeners = new Set();
    #renewal;
    #renewedAt = -1;
    #expiresAt;
    #holders = new Set();
    #timer;
    /** `shared`: the session is the browser's, and so that of all its tabs. */
    constructor(base, shared, asking) {
        this.#asking = asking;
        this.#tabs = tabsOf(shared ? base : `${base} ${Math.random()}`, (what) => this.#hear(what));
    }
    get lapsed() {
        return this.#expiresAt !== undefined && now() >= this.#expiresAt;
    }
    /** Whether the access token has less than so many seconds. */
    lapsesWithin(seconds) {
        return this.#expiresAt !== undefined && now() + seconds * 1000 >= this.#expiresAt;
    }
    subscribe(listener) {
        this.#listeners.add(listener);
        return () => this.#listeners.delete(listener);
    }
    /** The gateway's word on who is signed in; the other tabs learn of somebody new. */
    become(session) {
        const before = this.current;
        this.current = session;
        this.#lives(session.authenticated ? session.expiresIn : undefined);
        if (session.authenticated && !(before?.authenticated && before.user.id === session.user.id)) {
            this.#tabs.tell({ kind: "signed in", user: session.user.id });
        }
        for (const listener of this.#listeners)
            listener();
        return session;
    }
    /** A call went without credentials: whoever was signed in is no more. */
    missing = () => {
        if (this.current?.authenticated)
            this.become(NOBODY);
    };
    /** Nobody is signed in any more: here, and in every tab. */
    over() {
        this.#tabs.tell({ kind: "signed out" });
        this.become(NOBODY);
    }
    /**
     * Renews the session. `began` is when the request was sent that was refused, on the clock of `performance.now()`: one
     * that was sent before the last renewal was refused for the old token, and only has to be sent again.
     */
    async renew(began = now()) {
        if (this.#renewedAt >= began)
            return;
        this.#renewal ??= this.#renewOnce().finally(() => (this.#renewal = undefined));
        return this.#renewal;
    }
    async #renewOnce() {
        const asked = now();
        const here = await this.#tabs.alone(async () => {
            const expiresIn = await this.#asking.refresh();
            this.#renewed(expiresIn);
            this.#tabs.tell({ kind: "refreshed", expiresIn });
        });
        if (here)
            return;
        // Another tab renewed it and tells how long it lives, or failed to: the next answer tells, or the next try in time.
        if (this.#renewedAt < asked && this.#expiresAt !== undefined)
            this.#arm(AGAIN_MS);
        this.#renewedAt = now();
    }
    /** Renews the session in time until the returned function is called. */
    hold() {
        const holder = {};
        this.#holders.add(holder);
        if (this.#expiresAt === undefined)
            void this.#asking.session().catch(() => this.#arm(AGAIN_MS));
        else
            this.#arm();
        return () => void (this.#holders.delete(holder) && this.#arm());
    }
    close() {
        this.#holders.clear();
        this.#listeners.clear();
        clearTimeout(this.#timer);
        this.#tabs.close();
    }
    #arm(wait) {
        clearTimeout(this.#timer);
        if (!this.#holders.size || (this.#expiresAt === undefined && wait === undefined))
            return;
        const left = Math.max(0, (this.#expiresAt ?? 0) - now());
        // Not all tabs at one moment.
        const due = wait ?? Math.max(LEAST_MS, left * (RENEWED_AFTER - Math.random() / 10));
        this.#timer = setTimeout(() => void this.#inTime(), Math.min(due, LONGEST_TIMER_MS));
    }
    async #inTime() {
        try {
            await this.renew();
        }
        catch {
            // An outage: again soon. The end of the session has taken `expiresAt` away, and there is nothing to renew.
            if (this.#expiresAt !== undefined)
                this.#arm(AGAIN_MS);
        }
    }
    #renewed(expiresIn) {
        this.#renewedAt = now();
        this.#lives(expiresIn);
    }
    #lives(expiresIn) {
        this.#expiresAt = expiresIn === undefined ? undefined : now() + expiresIn * 1000;
        this.#arm();
    }
    #hear(what) {
        if (what.kind === "refreshed")
            this.#renewed(what.expiresIn);
        else if (what.kind === "signed out")
            this.become(NOBODY);
        else if (this.current && !(this.current.authenticated && this.current.user.id === what.user)) {
            void this.#asking.session().catch(() => undefined);
        }
    }
}
