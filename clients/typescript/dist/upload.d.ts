export interface Progress {
    loaded: number;
    total: number;
}
export interface Outgoing {
    method: string;
    url: string;
    headers: Record<string, string>;
    body: Blob;
    credentials: RequestCredentials;
    signal?: AbortSignal | undefined;
    onProgress?: ((progress: Progress) => void) | undefined;
}
/** The answer. Rejects with `NetworkError`, or with the signal's reason. */
export declare function send(outgoing: Outgoing): Promise<Response>;
