export interface StreamEvent {
    /** `message` where the stream names none. */
    type: string;
    data: string;
    lastEventId: string;
}
export interface EventsOptions {
    /** The stream is there, for the first time or again. */
    onOpen?: () => void;
    /** The stream broke: `again` says whether it is tried again. */
    onError?: (error: unknown, again: boolean) => void;
    /** Where to go on from. */
    lastEventId?: string;
    signal?: AbortSignal;
}
/** Reads a stream until the signal is aborted, and comes back whenever it ends; `open` asks for it. */
export declare function follow(open: (headers: Record<string, string>, signal: AbortSignal) => Promise<Response>, listener: (event: StreamEvent) => void, signal: AbortSignal, { onOpen, onError, lastEventId }: EventsOptions): Promise<void>;
