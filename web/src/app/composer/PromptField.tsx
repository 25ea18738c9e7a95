import { type KeyboardEvent, type RefObject, useId, useLayoutEffect } from "react";
import { composer as words } from "../messages";
import { remembered } from "../remembered";
import styles from "./composer.module.css";
import { PromptHistory } from "./PromptHistory";

const NEAR_LIMIT = 0.9;
const GROWS_BY_ITSELF = typeof CSS !== "undefined" && CSS.supports("field-sizing", "content");

/** Characters as the server counts them: code points, not UTF-16 units. */
export const lengthOf = (text: string): number => [...text].length;

interface Props {
  field: RefObject<HTMLTextAreaElement | null>;
  value: string;
  limit: number;
  problem: string;
  onChange: (value: string) => void;
}

/** The prompt: grows with what is written, counts near its limit, and has what was sent before at hand. */
export function PromptField({ field, value, limit, problem, onChange }: Props) {
  const id = useId();
  const length = lengthOf(value);
  const level = length > limit ? "over" : length > limit * NEAR_LIMIT ? "near" : undefined;
  const said = length > limit ? words.tooLong(length - limit) : problem;

  // biome-ignore lint/correctness/useExhaustiveDependencies: the height follows the text
  useLayoutEffect(() => {
    const area = field.current;
    if (GROWS_BY_ITSELF || !area) return;
    area.style.height = "auto";
    area.style.height = `${area.scrollHeight}px`;
  }, [value]);

  const recall = (event: KeyboardEvent) => {
    const last = remembered.history()[0];
    if (event.key !== "ArrowUp" || value !== "" || !last) return;
    event.preventDefault();
    onChange(last);
  };

  return (
    <div className={styles.field}>
      <div className={styles.head}>
        <label className={styles.label} htmlFor={id}>
          {words.prompt}
        </label>
        <PromptHistory
          onChoose={(prompt) => {
            onChange(prompt);
            field.current?.focus();
          }}
        />
      </div>
      <div className={styles.paper} data-invalid={said ? true : undefined}>
        <textarea
          ref={field}
          id={id}
          name="prompt"
          rows={3}
          spellCheck
          autoCapitalize="sentences"
          placeholder={words.placeholder}
          value={value}
          aria-invalid={said ? true : undefined}
          aria-describedby={`${id}-count ${id}-problem`}
          onChange={({ target }) => onChange(target.value)}
          onKeyDown={recall}
        />
        <p className={styles.count} id={`${id}-count`} data-level={level}>
          {words.counted(length, limit)}
        </p>
      </div>
      <p className={styles.problem} id={`${id}-problem`} role={said ? "alert" : undefined}>
        {said}
      </p>
    </div>
  );
}
