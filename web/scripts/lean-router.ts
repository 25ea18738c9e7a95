import type { Plugin } from "vite";

/** What the package makes as its file is read, and gives a name for React's developer tools. */
const MADE = /^(var \w+ = )(React\d*\.(?:forwardRef|createContext|memo)\()/gm;
const NAMED = /^\w+\.displayName = "\w+";$/gm;

/** A component as a class, and what is set on it at once. */
const CLASS =
  /^(var (\w+) = )class (extends React\d*\.Component \{\n)([\s\S]*?\n\});\n(?:\2\.contextType = (\w+);)?/gm;

/** Whether it warns developers; the package's own build for production differs in nothing else, and is reached by no import. */
const WARNS = /^(var ENABLE_DEV_WARNINGS = )true;$/m;

/** The same code, in which a bundler can see that a part that nobody imports is needed by nobody. */
export const leaner = (code: string): string =>
  code
    .replace(NAMED, "")
    .replace(MADE, "$1/* @__PURE__ */ $2")
    .replace(WARNS, "$1false;")
    .replace(CLASS, (_, declared, _name, heritage, body, context) => {
      const set = context ? `static contextType = ${context};\n` : "";
      return `${declared}/* @__PURE__ */ (() => class ${heritage}${set}${body})();\n`;
    });

/**
 * Leaves out of the build what of the router is not used: more than half. Where a later version is written otherwise, nothing
 * breaks, but the studio grows, and the test of its first load says so.
 */
export function leanRouter(): Plugin {
  return {
    name: "lean-router",
    apply: "build",
    transform: {
      filter: { id: /\/react-router\/dist\/.*\.mjs$/ },
      handler: (code) => ({ code: leaner(code), map: null }),
    },
  };
}
