import { times } from "../formats";
import { work as words } from "../messages";
import { placeNamed } from "../places";
import type { JobView } from "../served/server";
import { useStudio } from "../shell/studio";
import { stepWords } from "./statusLine";
import styles from "./work.module.css";

/** What was done so far, step by step, for who wants to know. */
export function Steps({ steps }: { steps: JobView["steps"] }) {
  const { places } = useStudio();
  if (steps.length === 0) return null;
  return (
    <details className={styles.steps}>
      <summary>{words.steps}</summary>
      <ol>
        {steps.map(({ name, state, at, error }) => (
          <li key={name} data-state={state}>
            <span>{stepWords(name, (platform) => placeNamed(places, platform).fullLabel)}</span>
            <span>{error?.message ?? words.stepStates[state]}</span>
            <time dateTime={at}>{times.exact(at)}</time>
          </li>
        ))}
      </ol>
    </details>
  );
}
