/** What a person should know of the service's state, in plain words. Pure. */

import { notices as words } from "../messages";
import { ConnectionLost, type Health, ProblemError } from "../served/server";

export interface Notice {
  key: string;
  title: string;
  text: string;
  /** `bad`: nothing can be made now; `warn`: something is not as usual. */
  level: "warn" | "bad";
}

const TOLD = {
  offline: words.offline,
  serverAway: words.serverAway,
  between: words.between,
  database: words.database,
  redis: words.redis,
  storage: words.storage,
  storageFull: words.storageFull,
  provider: words.provider,
  users: words.users,
  paused: words.paused,
  nobody: words.nobody,
} as const;

const notice = (key: keyof typeof TOLD, level: Notice["level"], why?: string): Notice => {
  const [title, text] = TOLD[key];
  return { key, title, text: [text, why].filter(Boolean).join(" "), level };
};

const QUEUE = "imageGeneration";

function ofServices({ services }: Health): Notice[] {
  const { database, storage, provider, redis, users } = services;
  if (database.status === "down") return [notice("database", "bad")];
  const queue = services.queues[QUEUE];
  const found: (Notice | false | undefined)[] = [
    redis.status === "down" && notice("redis", "warn"),
    storage.status === "down" && notice("storage", "warn"),
    storage.status === "full" && notice("storageFull", "bad"),
    provider.status === "down" && notice("provider", "warn", provider.why),
    users?.status === "down" && notice("users", "warn"),
    queue?.paused && notice("paused", "warn", queue.why),
    queue && !queue.paused && queue.workers === 0 && notice("nobody", "warn"),
  ];
  return found.filter((one): one is Notice => Boolean(one));
}

/**
 * Whether it was somebody else on the way who answered: with what can be read and is none of the service's, such as a page for
 * signing in. One who only says that the server is away (502 and the like) is none.
 */
export function isForeign(error: unknown): boolean {
  if (error instanceof ProblemError) return error.status < 500 && error.code === `http_${error.status}`;
  return error instanceof ConnectionLost && error.cause instanceof SyntaxError;
}

/**
 * What to say. `error`: why the health could not be had, by whoever stands before a server that is away, too; `online`: whether the
 * browser believes to be; `others`: why other answers could not be had. They alone tell a page for signing in from a gateway's "not
 * now": of the health, that comes with the status of a service that is not well.
 */
export function noticesOf(
  health: Health | undefined,
  error: Error | null,
  online: boolean,
  others: readonly unknown[] = [],
): Notice[] {
  if (!online) return [notice("offline", "warn")];
  const refused = error instanceof ProblemError && error.status < 500;
  if (error && !refused && !isForeign(error)) return [notice("serverAway", "bad")];
  if ((refused && isForeign(error)) || others.some(isForeign)) return [notice("between", "bad")];
  if (error) return refused ? [] : [notice("serverAway", "bad")];
  return health ? ofServices(health) : [];
}
