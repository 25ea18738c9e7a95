/** The addresses of the studio: what stands on the sheet, and so what a reload brings back. */

export interface Address {
  jobId: string | null;
  generationId: string | null;
}

const WORK = /^\/(jobs|generations)\/([^/]+)\/?$/;

/** What a path asks for, neither being the studio's beginning; null for a path that is none of the studio's. */
export function addressOf(path: string): Address | null {
  const [, what, id = ""] = WORK.exec(path) ?? [];
  if (what) return { jobId: what === "jobs" ? id : null, generationId: what === "jobs" ? null : id };
  return path === "/" ? { jobId: null, generationId: null } : null;
}

/** Which job or generation an address shows, if any. */
export const shownAt = (address: Address | null): string | null =>
  address?.jobId ?? address?.generationId ?? null;
