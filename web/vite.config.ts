import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";
import { leanRouter } from "./scripts/lean-router";
import { precompress } from "./scripts/precompress";

const api = process.env.SNAPASSET_URL ?? "http://127.0.0.1:8000";

export default defineConfig({
  plugins: [react(), leanRouter(), precompress()],
  publicDir: false, // all that is served has its hash in its name, but for index.html
  build: {
    target: "es2022",
    modulePreload: { polyfill: false }, // an inline script, which the content security policy forbids
    assetsInlineLimit: 0,
    manifest: "manifest.json",
    sourcemap: false,
    rolldownOptions: { treeshake: { propertyReadSideEffects: false } },
  },
  server: { proxy: { "/api": api, "/health": api, "/openapi.json": api } },
});
