import { composer, gallery as words } from "../messages";
import { useStudio } from "../shell/studio";
import styles from "./empty.module.css";

/** The sheet of a first visit: what this is, drawn, and prompts to begin with. */
export function Empty() {
  const { compose } = useStudio();
  return (
    <section className={styles.empty} aria-labelledby="welcome">
      <svg className={styles.art} viewBox="0 0 720 400" aria-hidden="true" focusable="false">
        <rect className={styles.sky} x="60" y="40" width="600" height="320" />
        <circle className={styles.sun} cx="404" cy="176" r="46" />
        <path
          className={styles.far}
          d="M60 246c70-46 116-58 168-40s84 44 136 34 92-62 152-54 96 34 144 62v112H60z"
        />
        <path className={styles.near} d="M60 300c92-40 168-30 244-10s150 18 214-8 98-20 142-6v84H60z" />
        <g className={styles.cut}>
          <path d="M312 40h180v320H312z" />
          <path d="M232 88h336v189H232z" />
          <path d="M110 122h500v104H110z" />
          <path d="M290 72h232v232H290z" />
        </g>
        <path
          className={styles.marks}
          d="M60 10v20M660 10v20M60 370v20M660 370v20M30 40h20M30 360h20M670 40h20M670 360h20"
        />
      </svg>
      <h2 className={styles.title} id="welcome">
        {words.emptyTitle}
      </h2>
      <p className={styles.text}>{words.empty}</p>
      <p className={styles.lead} id="examples">
        {words.emptyLead}
      </p>
      <ul className={styles.examples} aria-labelledby="examples">
        {composer.examples.map((prompt) => (
          <li key={prompt}>
            <button type="button" className={styles.example} onClick={() => compose({ prompt })}>
              {prompt}
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}
