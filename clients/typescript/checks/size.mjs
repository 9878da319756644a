// The package as a page gets it: bundled, minified, compressed. At most 6 KB.

import { build } from "esbuild";
import { gzipSync } from "node:zlib";

const LIMIT = 6 * 1024;

const { outputFiles } = await build({
  entryPoints: [new URL("../dist/index.js", import.meta.url).pathname],
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  write: false,
});
const size = gzipSync(outputFiles[0].contents, { level: 9 }).length;
console.log(`${size} bytes of ${LIMIT}`);
process.exitCode = size > LIMIT ? 1 : 0;
