export interface Renewal {
    readonly lapsed: boolean;
    renew(): Promise<void>;
    hold(): () => void;
}
/** Plays `url`; the session is renewed in time until the returned function is called. */
export declare function play(media: HTMLMediaElement, url: string, session: Renewal): () => void;
