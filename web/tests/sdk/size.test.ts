/** What the SDK adds to a page: built as a library, minified and gzipped, with all that it imports: 6 kB at the most. */

import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "vite";
import { expect, test } from "vitest";

const LIMIT = 6_000;

test("the whole SDK weighs no more than that", async () => {
  const entry = fileURLToPath(new URL("../../src/sdk/index.ts", import.meta.url));
  const built = await build({
    ...{ configFile: false, logLevel: "error" },
    build: {
      ...{ write: false, target: "es2022", lib: { entry, formats: ["es"], fileName: "sdk" } },
      rolldownOptions: { output: { minify: true, comments: false } }, // those are for the next tool
    },
  });
  const chunks = [built].flat().flatMap((bundle) => ("output" in bundle ? bundle.output : []));
  const code = chunks.map((chunk) => ("code" in chunk ? chunk.code : "")).join("");
  expect(gzipSync(code, { level: 9 }).length).toBeLessThanOrEqual(LIMIT);
}, 60_000);
