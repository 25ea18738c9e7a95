import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import ts from "typescript";
import type { Plugin } from "vite";

/** What another app installs: its name and version are ours, its only dependency is the app's own React, where it has one. */
function manifest(root: string): string {
  const { name, version, engines } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const entry = (part: string) => ({ types: `./${part}/index.d.ts`, default: `./${part}.js` });
  const told = {
    ...{ name, version, type: "module", engines, sideEffects: ["*.css"] },
    exports: { "./sdk": entry("sdk"), "./react": entry("react"), "./react.css": "./react.css" },
    peerDependencies: { react: "^19.0.0" },
    peerDependenciesMeta: { react: { optional: true } },
  };
  return `${JSON.stringify(told, null, 2)}\n`;
}

/** Declarations name files in full, as Node wants it: `"./types"` becomes `"./types.js"`, `"../sdk"` `"../sdk/index.js"`. */
const inFull = (text: string, folder: string): string =>
  text.replace(/(from |import\()"(\.[^"]+)"/g, (_, before: string, path: string) =>
    existsSync(join(folder, path, "index.ts"))
      ? `${before}"${path}/index.js"`
      : `${before}"${path.replace(/\.js$/, "")}.js"`,
  );

function declare(root: string, out: string): void {
  const { config } = ts.readConfigFile(join(root, "tsconfig.library.json"), ts.sys.readFile);
  const { options, fileNames } = ts.parseJsonConfigFileContent(config, ts.sys, root);
  const program = ts.createProgram(fileNames, { ...options, outDir: out });
  const { diagnostics } = program.emit(undefined, (name, text) => {
    const source = join(root, "src", relative(out, dirname(name)));
    mkdirSync(dirname(name), { recursive: true });
    writeFileSync(name, inFull(text, source));
  });
  const [problem] = diagnostics; // whether all types are right is asked elsewhere
  if (problem) throw new Error(ts.flattenDiagnosticMessageText(problem.messageText, "\n"));
}

/** Lays the types and the manifest beside what was built, so that the folder can be packed. */
export function library(): Plugin {
  let [root, out] = ["", ""];
  return {
    name: "library",
    apply: "build",
    configResolved(config) {
      root = config.root;
      out = resolve(root, config.build.outDir);
    },
    writeBundle: {
      order: "post",
      handler() {
        declare(root, out);
        writeFileSync(join(out, "package.json"), manifest(root));
      },
    },
  };
}
