import { useSyncExternalStore } from "react";
import { announcer } from "./announcer";
import styles from "./shell.module.css";

/** Where the announcer's words stand: seen by nobody, heard politely. */
export function LiveRegion() {
  const said = useSyncExternalStore(announcer.subscribe, announcer.said, () => "");
  return (
    <p className={styles.unseen} role="status" aria-live="polite">
      {said}
    </p>
  );
}
