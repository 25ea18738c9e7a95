import { readFileSync } from "node:fs";
import { basename, resolve } from "node:path";
import { minify, type Plugin, transformWithOxc } from "vite";

/**
 * Lets one small script run before the page is drawn: first in its head, neither deferred nor a module, so the browser waits for
 * it; a file with its hash in its name like all others, as the content security policy forbids what is inline.
 *
 * `source` is a TypeScript file that imports and exports nothing.
 */
export function firstScript(source: string): Plugin {
  const name = basename(source).replace(/\.ts$/, ".js");
  let file = "";
  let base = "/";
  let isBuild = true;
  return {
    name: "first-script",
    configResolved(config) {
      file = resolve(config.root, source);
      base = config.base;
      isBuild = config.command === "build";
    },
    async buildStart() {
      if (!isBuild) return;
      this.addWatchFile(file);
      const script = await transformWithOxc(readFileSync(file, "utf8"), file);
      const { code } = await minify(name, script.code);
      this.emitFile({ type: "asset", name, source: code });
    },
    transformIndexHtml(_, { bundle = {} }) {
      const made = Object.values(bundle).find((one) => one.type === "asset" && one.names.includes(name));
      const src = base + (made?.fileName ?? source);
      return [{ tag: "script", attrs: { src }, injectTo: "head-prepend" }];
    },
  };
}
