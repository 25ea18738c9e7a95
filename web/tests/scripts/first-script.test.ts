import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "vite";
import { afterEach, beforeEach, expect, it } from "vitest";
import { firstScript } from "../../scripts/first-script";

let root = "";

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "first-script-"));
  writeFileSync(join(root, "index.html"), '<head><script type="module" src="/main.js"></script></head>');
  writeFileSync(join(root, "main.js"), "document.title = 'later';");
});

afterEach(() => rmSync(root, { recursive: true }));

async function built(script: string): Promise<string> {
  writeFileSync(join(root, "first.ts"), script);
  const plugins = [firstScript("first.ts")];
  await build({ root, configFile: false, logLevel: "silent", build: { modulePreload: false }, plugins });
  const [name = ""] = readdirSync(join(root, "dist", "assets")).filter((name) => name.startsWith("first-"));
  return name;
}

it("stands before all others, as a file that the browser waits for", async () => {
  const name = await built("/* Why. */ const theme: string = 'dark'; document.title = theme;");
  expect(name).toMatch(/^first-[\w-]{8}\.js$/);
  const [first] = readFileSync(join(root, "dist", "index.html"), "utf8").match(/<script[^>]*>/g) ?? [];
  expect(first).toBe(`<script src="/assets/${name}">`);
  const code = readFileSync(join(root, "dist", "assets", name), "utf8");
  expect(code).not.toContain("Why");
  expect(new Function("document", `${code}; return document.title`)({})).toBe("dark");
});

it("has another name when it has other content", async () => {
  const before = await built("document.title = 'one';");
  expect(await built("document.title = 'two';")).not.toBe(before);
});
