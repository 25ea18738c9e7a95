import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";
import { library } from "./scripts/library";

/** The SDK and the React part for other apps: `npm run build:library`, then `npm pack ./library`. */
export default defineConfig({
  plugins: [react(), library()],
  publicDir: false,
  build: {
    target: "es2022",
    outDir: "library",
    minify: false, // the app that takes it does that
    lib: {
      entry: { sdk: "src/sdk/index.ts", react: "src/react/index.ts" },
      formats: ["es"],
      cssFileName: "react",
    },
    rolldownOptions: {
      external: /^react(?:-dom)?(?:\/|$)/,
      // Hooks are for what runs in a page; who renders on a server has to be told.
      output: { banner: ({ name }) => (name === "react" ? '"use client";' : "") },
    },
  },
});
