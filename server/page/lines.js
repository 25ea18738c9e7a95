// The connections that streams may hold. Browsers open six per host over HTTP/1.1, for all tabs together; with four
// taken by streams two are left for requests and pictures. Where Web Locks exist (https and localhost) the four are
// shared by all tabs, elsewhere each tab counts for itself.

export const LINES = 4;

const taken = new Set();

const lockName = (number) => `snapasset-line-${number}`;

/** Holds one lock if it is free. Resolves to a function that gives it back, or to null. */
function holdLock(number) {
  return new Promise((resolve) => {
    navigator.locks
      .request(lockName(number), { ifAvailable: true }, (lock) => {
        if (!lock) return resolve(null);
        return new Promise((release) => resolve(release));
      })
      .catch(() => resolve(() => {}));
  });
}

/** Takes a free line. Resolves to a function that gives it back, or to null when all are taken. */
export async function takeLine() {
  for (let number = 1; number <= LINES; number += 1) {
    if (taken.has(number)) continue;
    taken.add(number);
    const release = navigator.locks ? await holdLock(number) : () => {};
    if (release) {
      return () => {
        taken.delete(number);
        release();
      };
    }
    taken.delete(number);
  }
  return null;
}
