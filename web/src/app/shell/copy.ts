/** Copies an address of this server, in full, and says so. */

import { copied } from "../messages";
import { toast } from "./toast";

export async function copyLink(path: string, done: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(new URL(path, location.href).href);
    toast(done);
  } catch {
    toast(copied.failed);
  }
}
