import { useId } from "react";
import styles from "./composer.module.css";

interface Props<Value extends string> {
  name: string;
  legend: string;
  value: Value;
  choices: Record<Value, { name: string; hint: string }>;
  onChange: (value: Value) => void;
}

/** One of a few, side by side; below it what the chosen one means. */
export function Segments<Value extends string>({ name, legend, value, choices, onChange }: Props<Value>) {
  const hint = useId();
  return (
    <fieldset className={styles.segmented} aria-describedby={hint}>
      <legend className={styles.label}>{legend}</legend>
      <div className={styles.segments}>
        {(Object.keys(choices) as Value[]).map((choice) => (
          <label key={choice} className={styles.segment} title={choices[choice].hint}>
            <input
              type="radio"
              name={name}
              value={choice}
              checked={value === choice}
              onChange={() => onChange(choice)}
            />
            <span>{choices[choice].name}</span>
          </label>
        ))}
      </div>
      <p className={styles.hint} id={hint}>
        {choices[value].hint}
      </p>
    </fieldset>
  );
}
