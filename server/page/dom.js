// Making elements. Text always goes in as text, never as HTML, so that nothing a person typed can become markup.

const SVG = "http://www.w3.org/2000/svg";

/**
 * An element. `props` are attributes, except `on` (listeners by event name), `class`, and `vars` (CSS custom
 * properties, set through the CSSOM because the page's policy forbids style attributes). Null and false are left out.
 * Children are nodes or strings.
 */
export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") for (const [type, heard] of Object.entries(value)) node.addEventListener(type, heard);
    else if (name === "class") node.className = value;
    else if (name === "vars") for (const [key, of] of Object.entries(value)) node.style.setProperty(key, of);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** One of the page's symbols, as decoration. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

/** Changes a node's text only when it differs, so that screen readers and layout are not disturbed for nothing. */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Sets or removes an attribute, only when it differs. */
export function mark(node, name, value) {
  if (value === null || value === undefined || value === false) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

export const byId = (id) => document.getElementById(id);
