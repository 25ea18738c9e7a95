import { useSyncExternalStore } from "react";
import styles from "./shell.module.css";
import { onToast, toasted } from "./toast";

/** What was just done, in a word; the live region says it as well, so this is for the eye. */
export function Toast() {
  const text = useSyncExternalStore(onToast, toasted, () => "");
  if (!text) return null;
  return (
    <p className={styles.toast} aria-hidden="true">
      {text}
    </p>
  );
}
