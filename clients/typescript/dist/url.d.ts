/** `/interviews/{id}` with its parameters in it. Slashes of a value are escaped; dots alone would lead to another path. */
export declare function pathOf(template: string, parameters?: Record<string, unknown>): string;
/** `?a=1&b=2`, or nothing; a list is a name several times, undefined is left out. */
export declare function queryOf(query?: Record<string, unknown>): string;
/** The gateway's address, absolute and without a last slash. */
export declare function baseOf(address: string): string;
