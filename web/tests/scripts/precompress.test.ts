import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { brotliDecompressSync, gunzipSync } from "node:zlib";
import { build } from "vite";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { compressFolder, precompress } from "../../scripts/precompress";

const script = Buffer.from("export const answer = 42;\n".repeat(100));

describe("the files that are served for good", () => {
  let folder = "";

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "precompress-"));
  });

  afterEach(() => rmSync(folder, { recursive: true }));

  it("get smaller forms that unpack to the same", () => {
    writeFileSync(join(folder, "a.js"), script);
    compressFolder(folder);
    expect(readdirSync(folder).sort()).toEqual(["a.js", "a.js.br", "a.js.gz"]);
    const small = (name: string) => readFileSync(join(folder, name));
    expect(brotliDecompressSync(small("a.js.br"))).toEqual(script);
    expect(gunzipSync(small("a.js.gz"))).toEqual(script);
    expect(small("a.js.gz").length).toBeLessThan(script.length / 10);
  });

  it("are left as they are when they are small, packed already, or do not get smaller", () => {
    writeFileSync(join(folder, "small.css"), "body{}");
    writeFileSync(join(folder, "touch.png"), script);
    writeFileSync(join(folder, "noise.js"), randomBytes(4096));
    compressFolder(folder);
    expect(readdirSync(folder).sort()).toEqual(["noise.js", "small.css", "touch.png"]);
  });

  it("are made by a build, beside a first page without script, style or smaller form", async () => {
    const root = join(folder, "web");
    mkdirSync(root);
    writeFileSync(join(root, "index.html"), '<script type="module" src="/main.js"></script>');
    writeFileSync(join(root, "main.js"), `document.title = ${JSON.stringify("x".repeat(3000))};`);
    await build({ root, configFile: false, logLevel: "silent", plugins: [precompress()] });
    const assets = readdirSync(join(root, "dist", "assets"));
    expect(assets.map((name) => name.replace(/-[\w-]{8}\./, ".")).sort()).toEqual([
      "index.js",
      "index.js.br",
      "index.js.gz",
    ]);
    expect(readdirSync(join(root, "dist")).sort()).toEqual(["assets", "index.html"]);
  });
});
