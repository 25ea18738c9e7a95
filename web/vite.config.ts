import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";
import { firstScript } from "./scripts/first-script";
import { leanRouter } from "./scripts/lean-router";
import { precompress } from "./scripts/precompress";

const api = process.env.SNAPASSET_URL ?? "http://127.0.0.1:8000";

export default defineConfig({
  plugins: [react(), firstScript("src/app/first-theme.ts"), leanRouter(), precompress()],
  publicDir: false, // all that is served has its hash in its name, but for index.html
  build: {
    target: "es2022",
    modulePreload: false, // what is fetched first is one script, and what comes later imports nothing but that
    assetsInlineLimit: 0,
    manifest: "manifest.json",
    sourcemap: false,
    rolldownOptions: {
      treeshake: { propertyReadSideEffects: false },
      // One script and one style: many small ones take longer, and are larger when packed.
      output: { codeSplitting: { groups: [{ name: "studio", tags: ["$initial"] }] } },
    },
  },
  server: { proxy: { "/api": api, "/health": api, "/openapi.json": api } },
});
