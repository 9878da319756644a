// A media service of tus uploads: `node tus-service.mjs PORT FOLDER`. Each request is a line of JSON on stdout.

import { FileStore } from "@tus/file-store";
import { Server } from "@tus/server";

const [port, directory] = process.argv.slice(2);
const service = new Server({
  path: "/media/tus",
  datastore: new FileStore({ directory }),
  // Relative to where the client asked: right below any prefix that the gateway has.
  generateUrl: (_, { id }) => `tus/${id}`,
  async onIncomingRequest({ method, headers }) {
    const named = ["x-user-id", "upload-offset", "upload-length", "tus-resumable"];
    console.log(JSON.stringify({ method, ...Object.fromEntries(named.map((name) => [name, headers.get(name)])) }));
  },
});
service.listen({ host: "127.0.0.1", port: Number(port) });
