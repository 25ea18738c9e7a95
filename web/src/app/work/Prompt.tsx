import { useEffect, useRef, useState } from "react";
import { work as words } from "../messages";
import button from "../shell/button.module.css";
import styles from "./work.module.css";

/** What was asked for, as the work's title: three lines of it, and all on demand. */
export function Prompt({ id, text }: { id: string; text: string }) {
  const title = useRef<HTMLHeadingElement>(null);
  const [whole, setWhole] = useState(false);
  const [cut, setCut] = useState(false);
  useEffect(() => {
    const element = title.current;
    if (!element || typeof ResizeObserver === "undefined") return;
    const measure = new ResizeObserver(() => setCut(element.scrollHeight > element.clientHeight + 2));
    measure.observe(element);
    return () => measure.disconnect();
  }, []);
  return (
    <div className={styles.words}>
      <h1 ref={title} id={id} className={styles.prompt} data-whole={whole || undefined} tabIndex={-1}>
        {text}
      </h1>
      {(cut || whole) && (
        <button type="button" className={button.quiet} aria-expanded={whole} onClick={() => setWhole(!whole)}>
          {whole ? words.showLess : words.showAll}
        </button>
      )}
    </div>
  );
}
