import { resolve } from "node:path";
import { build, type Plugin } from "vite";
import { expect, it } from "vitest";
import { leaner, leanRouter } from "../../scripts/lean-router";

/** A page that only goes from place to place. */
const page: Plugin = {
  name: "page",
  resolveId: (id) => (id === "page" ? resolve("page.js") : null),
  load: (id) =>
    id.endsWith("page.js")
      ? 'import { BrowserRouter, useNavigate } from "react-router"; console.log(BrowserRouter, useNavigate);'
      : null,
};

async function size(...plugins: Plugin[]): Promise<number> {
  const options = { write: false, rolldownOptions: { input: "page", external: ["react", "react-dom"] } };
  const made = await build({
    configFile: false,
    logLevel: "silent",
    build: options,
    plugins: [page, ...plugins],
  });
  const outputs = [made].flat().flatMap((one) => ("output" in one ? one.output : []));
  return outputs.reduce((sum, one) => sum + (one.type === "chunk" ? one.code.length : 0), 0);
}

it("leaves out what the page does not use of the router", async () => {
  expect(await size(leanRouter())).toBeLessThan((await size()) / 2);
});

it("changes no code but names for developers, and their warnings", () => {
  const code = ["var A = React.createContext(null);", 'A.displayName = "A";', "B.contextType = A;"].join(
    "\n",
  );
  expect(leaner(code)).toBe("var A = /* @__PURE__ */ React.createContext(null);\n\nB.contextType = A;");
  const component = (set: string) => `class extends React2.Component {\n${set}  render() {}\n}`;
  expect(leaner(`var C = ${component("")};\nC.contextType = A;\nC();`)).toBe(
    `var C = /* @__PURE__ */ (() => ${component("static contextType = A;\n")})();\n\nC();`,
  );
  expect(leaner("var ENABLE_DEV_WARNINGS = true;")).toBe("var ENABLE_DEV_WARNINGS = false;");
});
