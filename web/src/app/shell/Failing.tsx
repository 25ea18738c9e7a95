import { Component, type ReactNode } from "react";
import { errors } from "../messages";
import button from "./button.module.css";
import styles from "./shell.module.css";

/** What is seen when a part of the page fails: a sentence and a way on, instead of nothing. */
export class Failing extends Component<{ children: ReactNode }, { failed: boolean }> {
  override state = { failed: false };

  static getDerivedStateFromError() {
    return { failed: true };
  }

  override render() {
    if (!this.state.failed) return this.props.children;
    return (
      <main className={styles.failing} role="alert">
        <h1>{errors.crashed}</h1>
        <button type="button" className={button.button} onClick={() => location.reload()}>
          {errors.reload}
        </button>
      </main>
    );
  }
}
