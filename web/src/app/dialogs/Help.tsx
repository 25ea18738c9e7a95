import { useState } from "react";
import { help as words } from "../messages";
import { remember, remembered } from "../remembered";
import button from "../shell/button.module.css";
import { Dialog } from "../shell/Dialog";
import { Icon } from "../shell/Icon";
import styles from "./dialogs.module.css";

const APPLE = /Mac|iPhone|iPad/.test(navigator.platform);

const KEYS: [string, string][] = [
  [words.keys.send, APPLE ? "⌘ ↵" : "Ctrl ↵"],
  [words.keys.prompt, "/"],
  [words.keys.history, "↑"],
  [words.keys.adjust, "E"],
  [words.keys.arrows, "← ↑ → ↓"],
  [words.keys.viewer, "← →"],
  [words.keys.close, "Esc"],
  [words.keys.help, "?"],
];

/** What this is, which keys do what, and what it costs. Keys without Ctrl can be switched off here. */
export function Help({ onClose }: { onClose: () => void }) {
  const [single, setSingle] = useState(remembered.singleKeys);
  return (
    <Dialog label={words.title} className={styles.box} onClose={onClose}>
      <div className={styles.content}>
        <header className={styles.head}>
          <h2>{words.title}</h2>
          <button
            type="button"
            className={`${button.button} ${button.only} ${button.bare}`}
            aria-label={words.close}
            onClick={onClose}
          >
            <Icon name="cross" />
          </button>
        </header>
        <p>{words.lead}</p>
        <dl className={styles.keys}>
          {KEYS.map(([what, keys]) => (
            <div key={what}>
              <dt>{what}</dt>
              <dd>
                <kbd>{keys}</kbd>
              </dd>
            </div>
          ))}
        </dl>
        <label className={styles.switch}>
          <input
            type="checkbox"
            checked={single}
            onChange={({ target }) => {
              setSingle(target.checked);
              remember.singleKeys(target.checked);
            }}
          />
          {words.single}
        </label>
        <h3>{words.costs}</h3>
        <p>{words.costsText}</p>
      </div>
    </Dialog>
  );
}
