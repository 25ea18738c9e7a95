import { useEffect } from "react";
import { brand, nowhere as words } from "../messages";
import button from "./button.module.css";
import { Link } from "./Link";
import styles from "./shell.module.css";

/** What stands on the sheet at an address that is none of the studio's: that there is nothing, and a way on. */
export function Nowhere() {
  useEffect(() => {
    document.title = `${words.title} · ${brand.name}`;
    return () => {
      document.title = brand.name;
    };
  }, []);
  return (
    <section className={styles.missing}>
      <h1>{words.title}</h1>
      <p>{words.text}</p>
      <Link className={button.button} to="/">
        {words.toStart}
      </Link>
    </section>
  );
}
