// A body that goes out with its progress: XMLHttpRequest, which alone tells it; fetch where there is none.
import { NetworkError } from "./errors.js";
/** The answer. Rejects with `NetworkError`, or with the signal's reason. */
export function send(outgoing) {
    return typeof XMLHttpRequest === "undefined" ? byFetch(outgoing) : byXhr(outgoing);
}
async function byFetch({ url, onProgress, ...init }) {
    const answer = await fetch(url, init);
    onProgress?.({ loaded: init.body.size, total: init.body.size });
    return answer;
}
function byXhr({ method, url, headers, body, credentials, signal, onProgress }) {
    return new Promise((resolve, reject) => {
        signal?.throwIfAborted();
        const xhr = new XMLHttpRequest();
        xhr.open(method, url);
        xhr.withCredentials = credentials === "include";
        for (const [name, value] of Object.entries(headers))
            xhr.setRequestHeader(name, value);
        xhr.upload.onprogress = ({ loaded, total }) => onProgress?.({ loaded, total });
        const stop = () => xhr.abort();
        signal?.addEventListener("abort", stop, { once: true });
        xhr.onloadend = () => signal?.removeEventListener("abort", stop);
        xhr.onabort = () => reject(signal?.reason);
        xhr.onerror = () => reject(new NetworkError());
        xhr.onload = () => {
            const fields = xhr.getAllResponseHeaders().trim().split(/\r?\n/).filter(Boolean);
            const pairs = fields.map((field) => {
                const [name = "", value = ""] = field.split(/: ?(.*)/s);
                return [name, value];
            });
            // An empty one is none: 204 and 205 may have no body (Fetch Standard, null body status).
            resolve(new Response(xhr.responseText || null, { status: xhr.status, headers: pairs }));
        };
        xhr.send(body);
    });
}
