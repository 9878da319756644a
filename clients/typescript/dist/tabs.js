// The tabs of one browser: one refreshes for all, and a sign-out is told to all.
/** A program is alone, and so is a page without the two interfaces. */
const ALONE = { tell() { }, alone: async (action) => (await action(), true), close() { } };
/** The tabs that use the gateway at `base`; `listen` hears what the others tell. */
export function tabsOf(base, listen) {
    const locks = globalThis.navigator?.locks;
    if (!locks || typeof document === "undefined")
        return ALONE;
    const name = `gateway ${base}`;
    const channel = new BroadcastChannel(name);
    channel.onmessage = ({ data }) => listen(data);
    return {
        tell: (what) => channel.postMessage(what),
        async alone(action) {
            const ran = await locks.request(name, { ifAvailable: true }, async (lock) => lock && (await action(), true));
            if (!ran)
                await locks.request(name, () => undefined);
            return Boolean(ran);
        },
        close: () => channel.close(),
    };
}
