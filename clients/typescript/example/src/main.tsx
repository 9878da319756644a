import { createClient, type StreamEvent } from "@ai-video-interview/gateway-client";
import { useEffect, useRef, useState, useSyncExternalStore } from "react";
import { createRoot } from "react-dom/client";

const client = createClient({ baseUrl: "/api" });

function App() {
  const session = useSyncExternalStore(client.subscribe, () => client.current);
  useEffect(() => void client.session(), []);
  if (!session) return <p>One moment …</p>;
  if (!session.authenticated) return <button onClick={() => client.signIn()}>Sign in</button>;
  return (
    <main>
      <h1>Hello {session.user.firstName}</h1>
      <button onClick={() => client.signOut()}>Sign out</button>
      <Interviews />
      <Recording />
    </main>
  );
}

function Interviews() {
  const [titles, setTitles] = useState<string[]>([]);
  const [last, setLast] = useState<StreamEvent>();
  const list = () => client.get("/interviews").then(({ items }) => setTitles(items.map(({ title }) => title)));
  useEffect(() => void list(), [last]);
  useEffect(() => client.events("/interviews/events", setLast), []);
  const create = (form: FormData) => client.post("/interviews", { json: { title: String(form.get("title")) } }).then(list);
  return (
    <section>
      <form action={create}>
        <input name="title" aria-label="Title" required /> <button>Create</button>
      </form>
      <ul>{titles.map((title, place) => <li key={place}>{title}</li>)}</ul>
      <p role="status">{last?.type}</p>
    </section>
  );
}

function Recording() {
  const [share, setShare] = useState(0);
  const [path, setPath] = useState("");
  const player = useRef<HTMLVideoElement>(null);
  useEffect(() => (path ? client.play(player.current!, path) : undefined), [path]);
  const upload = async (file: File) => {
    const stored = `/media/${encodeURIComponent(file.name)}`;
    await client.upload(stored, file, { onProgress: ({ loaded, total }) => setShare(loaded / total) });
    setPath(stored);
  };
  return (
    <section>
      <input type="file" aria-label="Recording" onChange={({ target }) => target.files?.[0] && upload(target.files[0])} />
      <progress value={share} aria-label="Upload" />
      <video ref={player} controls hidden={!path} />
    </section>
  );
}

createRoot(document.getElementById("root")!).render(<App />);
