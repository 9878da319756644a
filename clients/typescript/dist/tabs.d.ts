/** What a tab tells the others. */
export type Told = {
    kind: "refreshed";
    expiresIn: number;
} | {
    kind: "signed in";
    user: string;
} | {
    kind: "signed out";
};
export interface Tabs {
    tell(what: Told): void;
    /** Runs `action` where no other tab runs one; where one does, waits for its end instead. Whether it ran. */
    alone(action: () => Promise<void>): Promise<boolean>;
    close(): void;
}
/** The tabs that use the gateway at `base`; `listen` hears what the others tell. */
export declare function tabsOf(base: string, listen: (what: Told) => void): Tabs;
