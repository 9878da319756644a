// `/api` is the gateway: the browser knows one origin, so that cookies just work.

import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

export default defineConfig({
  plugins: [react()],
  server: {
    proxy: {
      "/api": { target: process.env.GATEWAY ?? "http://localhost:3001", rewrite: (path) => path.slice("/api".length) },
    },
  },
});
