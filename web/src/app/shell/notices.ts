/** What a person should know of the service's state, in plain words. Pure. */

import { notices as words } from "../messages";
import { type Health, ProblemError } from "../served/server";

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

/** What to say. `error`: why the health could not be had, by whoever stands before a server that is away, too; `online`: whether the browser believes to be. */
export function noticesOf(health: Health | undefined, error: Error | null, online: boolean): Notice[] {
  if (!online) return [notice("offline", "warn")];
  if (error instanceof ProblemError && error.status < 500) return [];
  if (error) return [notice("serverAway", "bad")];
  return health ? ofServices(health) : [];
}
