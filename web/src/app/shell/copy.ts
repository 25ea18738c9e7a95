/** Copies an address of this server, in full, and says so. */

import { copied } from "../messages";
import { toast } from "./toast";

/**
 * The older way, which pages have that did not come by HTTPS: by a field that nobody sees. It stands in the dialog that is
 * open, if any, as nothing beside that can be selected. Tells whether it was copied.
 */
function copySelected(text: string): boolean {
  const held = document.activeElement;
  const field = document.createElement("textarea");
  field.value = text;
  field.readOnly = true;
  field.style.cssText = "position: fixed; top: 0; opacity: 0";
  (held?.closest("dialog") ?? document.body).append(field);
  field.focus({ preventScroll: true });
  field.select();
  try {
    return document.execCommand("copy");
  } finally {
    field.remove();
    if (held instanceof HTMLElement) held.focus({ preventScroll: true });
  }
}

export async function copyLink(path: string, done: string): Promise<void> {
  const address = new URL(path, location.href).href;
  try {
    await navigator.clipboard.writeText(address);
    toast(done);
  } catch {
    toast(copySelected(address) ? done : copied.failed);
  }
}
