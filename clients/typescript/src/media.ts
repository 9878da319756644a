// Video and audio by cookie, which go on over the end of a token: the browser asks for ranges as it plays and seeks,
// and stalls without a word where one is refused.

const TRIES = 3;

export interface Renewal {
  readonly lapsed: boolean;
  renew(): Promise<void>;
  hold(): () => void;
}

/** Plays `url`; the session is renewed in time until the returned function is called. */
export function play(media: HTMLMediaElement, url: string, session: Renewal): () => void {
  const release = session.hold();
  let tries = 0;
  let mending = false;
  const mend = async () => {
    if (mending || tries >= TRIES || !(session.lapsed || media.error)) return;
    mending = true;
    tries++;
    const { currentTime, paused } = media;
    try {
      // A file that is broken or gone is not mended by a renewal: one is enough to know.
      if (session.lapsed || tries === 1) await session.renew();
      media.src = url;
      media.currentTime = currentTime;
      if (!paused) await media.play();
    } catch {
      // The element shows its own error; the next seek tries again.
    } finally {
      mending = false;
    }
  };
  const reset = () => void (tries = 0);
  const listeners: [string, () => void][] = [
    ...["error", "stalled", "waiting", "seeking"].map((type): [string, () => void] => [type, () => void mend()]),
    ["timeupdate", reset],
  ];
  for (const [type, listener] of listeners) media.addEventListener(type, listener);
  media.src = url;
  return () => {
    release();
    for (const [type, listener] of listeners) media.removeEventListener(type, listener);
    media.removeAttribute("src");
    media.load();
  };
}
