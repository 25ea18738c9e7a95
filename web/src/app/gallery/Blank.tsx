import { status, work as words } from "../messages";
import shell from "../shell/shell.module.css";
import styles from "./gallery.module.css";

/** What stands where a work comes in, until it is known: the same rooms, empty. */
export function Blank() {
  return (
    <div className={styles.blank} role="status" aria-label={`${words.region}: ${status.loading}`}>
      <h1 className={shell.unseen}>{status.loading}</h1>
      <span className={styles.blankTitle} />
      <span className={styles.blankLine} />
      <span className={styles.blankTiles} />
    </div>
  );
}
