import { useState } from "react";
import { composer as words } from "../messages";
import { remember, remembered } from "../remembered";
import button from "../shell/button.module.css";
import { Icon } from "../shell/Icon";
import { Popover } from "../shell/Popover";
import shell from "../shell/shell.module.css";
import styles from "./composer.module.css";

/** What was sent before, newest first, from this browser's memory: read anew each time it opens. */
export function PromptHistory({ onChoose }: { onChoose: (prompt: string) => void }) {
  const [prompts, setPrompts] = useState(remembered.history);
  return (
    <Popover
      label={words.history}
      className={button.quiet}
      onOpen={() => setPrompts(remembered.history())}
      button={words.history}
      closes
    >
      {prompts.length === 0 ? (
        <p className={styles.noHistory}>{words.historyEmpty}</p>
      ) : (
        <div className={shell.menu}>
          {prompts.map((prompt) => (
            <button key={prompt} type="button" className={shell.item} onClick={() => onChoose(prompt)}>
              <span className={styles.sent}>{prompt}</span>
            </button>
          ))}
          <button
            type="button"
            className={`${shell.item} ${shell.itemGrave}`}
            onClick={() => {
              remember.noHistory();
              setPrompts([]);
            }}
          >
            <Icon name="bin" />
            {words.forget}
          </button>
        </div>
      )}
    </Popover>
  );
}
