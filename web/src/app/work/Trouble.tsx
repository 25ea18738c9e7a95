import { times } from "../formats";
import { adviceFor, work as words } from "../messages";
import { isEnded, type JobError, type JobView } from "../served/server";
import { Icon } from "../shell/Icon";
import styles from "./work.module.css";

function troubleOf(
  view: JobView | null,
  cut: JobView | null,
): { error: JobError; lead: string; ended: boolean } | null {
  const failed =
    cut && isEnded(cut) ? Object.values(cut.images).find((image) => image.status === "failed") : null;
  const cutError = cut?.phase === "failed" ? cut.error : failed?.status === "failed" ? failed.error : null;
  if (cutError) return { error: cutError, lead: words.cutFailed, ended: true };
  if (view?.phase === "failed") return { error: view.error, lead: "", ended: true };
  if (view?.lastError && (view.phase === "delayed" || view.phase === "waiting"))
    return { error: view.lastError, lead: "", ended: false };
  return null;
}

/** Why it failed, or why it is tried again, and what can be done about it. */
export function Trouble({ view, cut }: { view: JobView | null; cut: JobView | null }) {
  const trouble = troubleOf(view, cut);
  if (!trouble) return null;
  const { error, lead, ended } = trouble;
  return (
    <div className={styles.trouble} data-ended={ended || undefined}>
      <Icon name="alert" />
      <p>
        {lead && `${lead} `}
        <strong>{times.within(error.message)}</strong> {ended && adviceFor(error.code, error.retryable)}{" "}
        <code className={styles.code}>{error.code}</code>
      </p>
    </div>
  );
}
