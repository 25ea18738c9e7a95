import { execFileSync } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import ts from "typescript";
import { build } from "vite";
import { afterAll, beforeAll, expect, test } from "vitest";

const WEB = resolve(import.meta.dirname, "../..");
const app = mkdtempSync(join(tmpdir(), "library-"));
const modules = join(app, "node_modules");
const installed = join(modules, "@snapasset/web");

/** Another app, in which what was packed is installed beside a React of its own. */
beforeAll(async () => {
  const outDir = join(app, "library");
  await build({
    configFile: join(WEB, "vite.library.config.ts"),
    root: WEB,
    logLevel: "error",
    build: { outDir },
  });
  const pack = ["pack", outDir, "--pack-destination", app, "--ignore-scripts", "--silent"];
  const packed = execFileSync("npm", pack, { cwd: app, encoding: "utf8" }).trim();
  mkdirSync(installed, { recursive: true });
  execFileSync("tar", ["-xzf", join(app, packed), "-C", installed, "--strip-components=1"]);
  mkdirSync(join(modules, "@types"));
  for (const name of ["react", "react-dom", "scheduler", "@types/react", "csstype"])
    symlinkSync(join(WEB, "node_modules", name), join(modules, name));
  writeFileSync(join(app, "package.json"), JSON.stringify({ type: "module" }));
}, 120_000);

afterAll(() => rmSync(app, { recursive: true, force: true }));

/** What a program of the other app prints. */
function printed(program: string): string {
  writeFileSync(join(app, "main.js"), program);
  return execFileSync(process.execPath, ["main.js"], { cwd: app, encoding: "utf8" }).trim();
}

test("the packed library is run by another app: the SDK alone, without React", () => {
  const program = `
    import { createClient, isEnded, viewOf } from "@snapasset/web/sdk";
    const client = createClient({ baseUrl: "https://api.example" });
    console.log(client.url("/api/jobs"), isEnded(viewOf({ jobId: "j", status: "completed", seq: 3 })));
  `;
  expect(printed(program)).toBe("https://api.example/api/jobs true");
  const loaded = readFileSync(join(installed, "sdk.js"), "utf8");
  expect(loaded).not.toMatch(/from "react/);
});

test("it renders a monitor on a server, with the app's React and the SDK's clients", () => {
  const program = `
    import { createElement } from "react";
    import { renderToString } from "react-dom/server";
    import { createClient } from "@snapasset/web/sdk";
    import { JobMonitor, SnapAssetProvider } from "@snapasset/web/react";
    const initialJob = { jobId: "j", status: "active", seq: 2, run: 1, attempt: 1, step: "generate", progress: 30 };
    const monitor = createElement(JobMonitor, { jobId: "j", initialJob });
    console.log(renderToString(createElement(SnapAssetProvider, { client: createClient() }, monitor)));
  `;
  const html = printed(program);
  expect(html).toContain("Making the picture");
  const [, name = ""] = /class="(\S+)"/.exec(html) ?? [];
  expect(readFileSync(join(installed, "react.css"), "utf8")).toContain(`.${name}`);
});

test("it brings its types along, as Node finds them, and they are not any", () => {
  const main = join(app, "main.tsx");
  writeFileSync(
    main,
    `import { createClient, type JobView } from "@snapasset/web/sdk";
     import { JobMonitor, useJobStatus } from "@snapasset/web/react";
     export const App = () => <JobMonitor jobId="j" client={createClient({ token: "t" })} variant="compact" />;
     export const phase = (): JobView["phase"] | undefined => useJobStatus("j").view?.phase;
     // @ts-expect-error there is no such variant
     export const Wrong = () => <JobMonitor jobId="j" variant="tiny" />;
     // @ts-expect-error a job has no such phase
     export const wrong = (view: JobView) => view.phase === "sleeping";`,
  );
  const program = ts.createProgram([main], {
    ...{
      strict: true,
      skipLibCheck: true,
      noEmit: true,
      jsx: ts.JsxEmit.ReactJSX,
      target: ts.ScriptTarget.ES2022,
      types: [],
    },
    ...{ module: ts.ModuleKind.NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext },
  });
  const told = ts.getPreEmitDiagnostics(program).map(({ messageText }) => messageText);
  expect(told).toEqual([]);
}, 60_000);

test("it depends on nothing but the app's React, and holds nothing of the studio", () => {
  const { name, dependencies, peerDependencies } = JSON.parse(
    readFileSync(join(installed, "package.json"), "utf8"),
  );
  expect({ name, dependencies, peerDependencies }).toEqual({
    name: "@snapasset/web",
    dependencies: undefined,
    peerDependencies: { react: "^19.0.0" },
  });
  expect(readFileSync(join(installed, "react.js"), "utf8")).toMatch(/^"use client";/);
  expect(readdirSync(installed).filter((file) => !/^(?:sdk|react)/.test(file))).toEqual(["package.json"]);
});
