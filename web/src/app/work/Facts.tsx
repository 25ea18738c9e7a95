import { files } from "../formats";
import { cost as costs, work as words } from "../messages";
import type { Job } from "../served/server";
import { Icon } from "../shell/Icon";
import { saveUrl } from "./Tile";
import type { Work } from "./work";
import styles from "./work.module.css";

/** What it cost or is going to cost; nothing where nobody knows. */
function costWords(job: Job): string[] {
  const { usd, calls, doubtfulCalls, unpricedCalls } = job.cost;
  const spent = calls > 0 || job.finishedAt !== null;
  if (!spent) return job.estimatedCost === null ? [] : [costs.estimated(job.estimatedCost)];
  return [
    calls > unpricedCalls + doubtfulCalls || calls === 0 ? costs.was(usd) : "",
    doubtfulCalls > 0 ? costs.doubtful(doubtfulCalls) : "",
    unpricedCalls > 0 ? costs.unpriced(unpricedCalls) : "",
  ].filter(Boolean);
}

/** What is worth knowing below the pictures: who made it, what was understood, what it cost. Room is kept from the start. */
export function Facts({ work, job }: { work: Work; job: Job | null }) {
  const { master } = work;
  return (
    <ul className={styles.facts}>
      {work.simulated && (
        <li>
          <b className={styles.badge}>{words.sketch}</b> {words.sketchNote}
        </li>
      )}
      {!work.simulated && work.model && <li>{words.madeBy(work.model)}</li>}
      {work.reused && <li>{words.reused}</li>}
      {work.understood && (
        <li>
          {words.understood} <b>{work.understood}</b>
        </li>
      )}
      {job && !work.simulated && costWords(job).map((text) => <li key={text}>{text}</li>)}
      {work.seed > 0 && <li>{words.seed(work.seed)}</li>}
      {work.model && master?.width && master.height && (
        <li>
          <a className={styles.original} href={saveUrl(master)} download>
            <Icon name="down" />
            {words.original(
              `${files.pixels(master.width, master.height)} ${files.format(master.contentType)}`,
            )}
          </a>
        </li>
      )}
    </ul>
  );
}
