/** Web Locks for tabs that live in one process: exclusive ones, granted in the order in which they are asked for. */

interface Options {
  signal?: AbortSignal;
  steal?: boolean;
}

interface Holder {
  lose(reason: unknown): void;
}

const aborted = () => new DOMException("The lock is gone.", "AbortError");

export class Locks {
  #holders = new Map<string, Holder>();
  #waiting = new Map<string, (() => void)[]>();

  request = (name: string, { signal, steal }: Options, act: () => unknown): Promise<unknown> =>
    new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason);
        return;
      }
      const grant = () => {
        signal?.removeEventListener("abort", give);
        const holder: Holder = { lose: reject };
        this.#holders.set(name, holder);
        const free = () => {
          if (this.#holders.get(name) !== holder) return;
          this.#holders.delete(name);
          this.#waiting.get(name)?.shift()?.();
        };
        Promise.resolve().then(act).then(resolve, reject).finally(free);
      };
      const give = () => {
        const waiting = this.#waiting.get(name) ?? [];
        this.#waiting.set(
          name,
          waiting.filter((one) => one !== grant),
        );
        reject(signal?.reason ?? aborted());
      };
      if (steal) {
        this.#holders.get(name)?.lose(aborted());
        grant();
      } else if (this.#holders.has(name)) {
        this.#waiting.set(name, [...(this.#waiting.get(name) ?? []), grant]);
        signal?.addEventListener("abort", give, { once: true });
      } else grant();
    });
}
