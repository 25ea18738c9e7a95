import styles from "./shell.module.css";

const PATHS = {
  check: "M3 8.6 6.4 12 13 4.6",
  cross: "m4 4 8 8m0-8-8 8",
  dash: "M3.5 8h9",
  down: "M8 2.5v7.6M4.6 7 8 10.4 11.4 7M3 13.5h10",
  again: "M12.9 6.2A5.3 5.3 0 1 0 13.3 9M13.3 2.8v3.6H9.7",
  pen: "M3 13l.7-3L10.9 2.8l2.3 2.3L6 12.3zM9.3 4.4l2.3 2.3",
  left: "M10 3 5 8l5 5",
  right: "m6 3 5 5-5 5",
  crop: "M4.5 1.5v10h10M1.5 4.5h10v10",
  bin: "M2.5 4.5h11M6 4.5v-2h4v2M4 4.5l.6 9h6.8l.6-9M6.7 7v4m2.6-4v4",
  alert: "M8 2 14.4 13.2H1.6zM8 6.3v3.2m0 1.7v.2",
  link: "M6.8 9.2a2.6 2.6 0 0 0 3.7 0l2.4-2.4a2.6 2.6 0 0 0-3.7-3.7l-.9.9M9.2 6.8a2.6 2.6 0 0 0-3.7 0L3.1 9.2a2.6 2.6 0 0 0 3.7 3.7l.9-.9",
  more: "M3 8h.2M7.9 8h.2M12.8 8h.2",
  vary: "M2 4.8h2.6c3.4 0 3.4 6.4 6.8 6.4H14M2 11.2h2.6c1 0 1.7-.6 2.2-1.4M9.2 6.2c.5-.8 1.2-1.4 2.2-1.4H14M12 2.8l2 2-2 2m0 2.4 2 2-2 2",
  clock: "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12ZM8 4.6V8l2.3 1.6",
  plus: "M8 3v10M3 8h10",
  help: "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12ZM6.4 6.5a1.65 1.65 0 1 1 2.4 1.5c-.5.3-.8.6-.8 1.2m0 1.9v.1",
  sun: "M8 10.8a2.8 2.8 0 1 0 0-5.6 2.8 2.8 0 0 0 0 5.6ZM8 1.5v1.2m0 10.6v1.2M1.5 8h1.2m10.6 0h1.2M3.4 3.4l.9.9m7.4 7.4.9.9m0-9.2-.9.9m-7.4 7.4-.9.9",
  moon: "M13.4 9.6A5.7 5.7 0 0 1 6.4 2.6a5.7 5.7 0 1 0 7 7Z",
  half: "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12ZM8 2v12M8 5h5m-5 3h6m-6 3h5",
  zones: "M2.5 2.5h11v11h-11zM2.5 6l3.5-3.5M2.5 10l7.5-7.5M6 13.5 13.5 6M10 13.5l3.5-3.5",
} as const;

export type IconName = keyof typeof PATHS;

/** A sign beside words; it says nothing by itself. */
export function Icon({ name }: { name: IconName }) {
  return (
    <svg className={styles.icon} viewBox="0 0 16 16" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}
