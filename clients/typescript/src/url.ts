// Addresses below the gateway's, with their parameters in them.

type Value = string | number | boolean;

/** `/interviews/{id}` with its parameters in it. Slashes of a value are escaped; dots alone would lead to another path. */
export function pathOf(template: string, parameters: Record<string, unknown> = {}): string {
  return template.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = encodeURIComponent(String(parameters[name]));
    if (/^\.\.?$/.test(value)) throw new TypeError(`${value} is no ${name}`);
    return value;
  });
}

/** `?a=1&b=2`, or nothing; a list is a name several times, undefined is left out. */
export function queryOf(query: Record<string, unknown> = {}): string {
  const pairs = Object.entries(query).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value])
      .filter((one) => one !== undefined && one !== null)
      .map((one: Value) => [name, String(one)]),
  );
  return pairs.length ? `?${new URLSearchParams(pairs)}` : "";
}

/** The gateway's address, absolute and without a last slash. */
export function baseOf(address: string): string {
  return new URL(address, globalThis.location?.href).href.replace(/\/+$/, "");
}
