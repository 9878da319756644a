// An upload by tus-js-client in Node: `node tus-upload.mjs ENDPOINT TOKEN FILE`. What it went through is JSON on stdout.

import { createReadStream, statSync } from "node:fs";
import { Upload } from "tus-js-client";

const [endpoint, token, path] = process.argv.slice(2);
const cuts = [];
const upload = new Upload(createReadStream(path), {
  endpoint,
  uploadSize: statSync(path).size,
  chunkSize: Infinity,
  retryDelays: [0, 200, 400, 800, 1600],
  headers: { Authorization: `Bearer ${token}` },
  metadata: { filename: "answer.webm" },
  onShouldRetry: (error) => cuts.push(error.message) > 0,
  onError: (error) => {
    console.error(error);
    process.exitCode = 1;
  },
  onSuccess: () => console.log(JSON.stringify({ url: upload.url, cuts })),
});
upload.start();
