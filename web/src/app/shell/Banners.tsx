import { useEffect, useState, useSyncExternalStore } from "react";
import { times } from "../formats";
import { adviceFor, errors, notices as words } from "../messages";
import { useHealth, useKinds, useRefresh, useRunningJobs } from "../served/queries";
import { ConnectionLost, ProblemError } from "../served/server";
import styles from "./banners.module.css";
import button from "./button.module.css";
import { Icon } from "./Icon";
import { isForeign, type Notice, noticesOf } from "./notices";

/** What keeps every answer away. */
const AWAY = new Set(["offline", "serverAway", "between"]);

function onLine(listener: () => void): () => void {
  addEventListener("online", listener);
  addEventListener("offline", listener);
  return () => {
    removeEventListener("online", listener);
    removeEventListener("offline", listener);
  };
}

/**
 * How the service is, where it is not as usual: asked now and then, and at once where news cease to come or come again. When all is
 * well again, what was missed is asked for.
 */
function useNotices(): Notice[] {
  const online = useSyncExternalStore(onLine, () => navigator.onLine);
  const health = useHealth();
  const kinds = useKinds();
  const running = useRunningJobs();
  const lost = running.connection === "reconnecting";
  const refresh = useRefresh();
  const found = noticesOf(health.data, health.error, online, [kinds.failureReason, running.error]);
  const away = found.some(({ key }) => AWAY.has(key));
  const { refetch } = health;
  // biome-ignore lint/correctness/useExhaustiveDependencies: only the change from away to there counts
  useEffect(() => {
    if (!away) return;
    return refresh;
  }, [away]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: `lost` is no part of the question, but when to ask
  useEffect(() => {
    if (online) void refetch();
  }, [online, lost, refetch]);
  return found;
}

/** `aside`: whether a narrow page shows the sheet, and not the form with its foot. */
export function Banners({ aside }: { aside: boolean }) {
  return <NoticeList found={useNotices()} aside={aside} />;
}

/**
 * What is not as usual, over the page and so without moving what is being read. Put away, a sign of it stays; what is new shows
 * itself again.
 */
export function NoticeList({ found, aside }: { found: readonly Notice[]; aside: boolean }) {
  const keys = found.map(({ key }) => key).join();
  const [away, putAway] = useState("");
  useEffect(() => putAway((was) => (keys === was ? was : "")), [keys]);
  const isAway = keys === away;
  return (
    <div className={styles.notices} data-aside={aside}>
      <div className={styles.said} role="status">
        {!isAway && (
          <div key={keys} className={styles.list}>
            {found.map(({ key, title, text, level }) => (
              <div key={key} className={styles.banner} data-level={level}>
                <Icon name="alert" />
                <p>
                  <strong>{title}</strong> {text}
                </p>
              </div>
            ))}
          </div>
        )}
      </div>
      {found.length > 0 && (
        <button
          type="button"
          className={`${button.button} ${button.only} ${styles.fold}`}
          aria-label={isAway ? words.show : words.dismiss}
          title={isAway ? words.show : words.dismiss}
          onClick={() => putAway(isAway ? "" : keys)}
        >
          <Icon name={isAway ? "alert" : "cross"} />
        </button>
      )}
    </div>
  );
}

interface ProblemProps {
  problem: unknown;
  again: (() => void) | undefined;
  onDismiss: () => void;
}

function told(problem: unknown): { title: string; text: string; code: string } {
  if (isForeign(problem)) {
    const [title, text] = words.between;
    return { title, text, code: problem instanceof ProblemError ? problem.code : "" };
  }
  if (problem instanceof ProblemError) {
    const fields = problem.fields?.map(({ message }) => message).join(" ");
    const number = problem.requestId ? ` · ${words.request(problem.requestId)}` : "";
    const text = adviceFor(problem.code, problem.retryable);
    return { title: fields || times.within(problem.detail), text, code: problem.code + number };
  }
  if (problem instanceof ConnectionLost) {
    return { title: errors.away, text: adviceFor("connection_lost", true), code: "" };
  }
  return { title: errors.unknownTitle, text: problem instanceof Error ? problem.message : "", code: "" };
}

/** A problem that belongs to no field: said once, with what to do about it, and gone when it is dismissed. */
export function ProblemBanner({ problem, again, onDismiss }: ProblemProps) {
  const { title, text, code } = told(problem);
  const worth = again && !(problem instanceof ProblemError && !problem.retryable);
  return (
    <div className={styles.banner} data-level="bad" role="alert">
      <Icon name="alert" />
      <p>
        <strong>{title}</strong> {text} {code && <code>{code}</code>}
      </p>
      {worth && (
        <button type="button" className={button.button} onClick={again}>
          {words.again}
        </button>
      )}
      <button
        type="button"
        className={`${button.button} ${button.only} ${button.bare}`}
        aria-label={words.dismiss}
        onClick={onDismiss}
      >
        <Icon name="cross" />
      </button>
    </div>
  );
}
