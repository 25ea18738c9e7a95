import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import type { Plugin } from "vite";

/** What gets smaller: pictures and fonts are packed already. */
const TEXT = /\.(?:js|css|svg|json)$/;

/** Below this a packet holds it either way. */
const WORTH_BYTES = 1024;

const FORMS = {
  ".br": (body: Buffer) => brotliCompressSync(body, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }),
  ".gz": (body: Buffer) => gzipSync(body, { level: 9 }),
};

/** Lays a `.br` and a `.gz` beside each file of the folder that is worth it, where that is smaller. */
export function compressFolder(folder: string): void {
  for (const name of readdirSync(folder).filter((name) => TEXT.test(name))) {
    const body = readFileSync(join(folder, name));
    if (body.length < WORTH_BYTES) {
      continue;
    }
    for (const [ending, compress] of Object.entries(FORMS)) {
      const small = compress(body);
      if (small.length < body.length) {
        writeFileSync(join(folder, name + ending), small);
      }
    }
  }
}

/**
 * Compresses what is served for good, once, when it is built. The first page is left as it is: it is small, and it alone is
 * replaced in place, so it must not have forms that could differ.
 */
export function precompress(): Plugin {
  let assets = "";
  return {
    name: "precompress",
    apply: "build",
    configResolved(config) {
      assets = resolve(config.root, config.build.outDir, config.build.assetsDir);
    },
    writeBundle: { order: "post", handler: () => compressFolder(assets) },
  };
}
