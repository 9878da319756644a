// Addresses below the gateway's, with their parameters in them.
/** `/interviews/{id}` with its parameters in it. Slashes of a value are escaped; dots alone would lead to another path. */
export function pathOf(template, parameters = {}) {
    return template.replace(/\{(\w+)\}/g, (_, name) => {
        const value = encodeURIComponent(String(parameters[name]));
        if (/^\.\.?$/.test(value))
            throw new TypeError(`${value} is no ${name}`);
        return value;
    });
}
/** `?a=1&b=2`, or nothing; a list is a name several times, undefined is left out. */
export function queryOf(query = {}) {
    const pairs = Object.entries(query).flatMap(([name, value]) => (Array.isArray(value) ? value : [value])
        .filter((one) => one !== undefined && one !== null)
        .map((one) => [name, String(one)]));
    return pairs.length ? `?${new URLSearchParams(pairs)}` : "";
}
/** The gateway's address, absolute and without a last slash. */
export function baseOf(address) {
    return new URL(address, globalThis.location?.href).href.replace(/\/+$/, "");
}
