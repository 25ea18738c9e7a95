import { Component, type ComponentType, type LazyExoticComponent, lazy, type ReactNode } from "react";
import dialogs from "../dialogs/dialogs.module.css";
import { errors } from "../messages";
import button from "./button.module.css";
import { Dialog } from "./Dialog";
import styles from "./shell.module.css";

/** The script of a part could not be had: the server has another studio by now, or is out of reach. */
class Unfetched extends Error {}

/** A part of the page whose script is fetched when it is first drawn, which is to be within a `Later`. */
export function later<P>(load: () => Promise<ComponentType<P>>): LazyExoticComponent<ComponentType<P>> {
  return lazy(async () => {
    try {
      return { default: await load() };
    } catch (cause) {
      throw new Unfetched("a part of the page could not be fetched", { cause });
    }
  });
}

interface Props {
  /** Of a part that lies over the page: its failure does so as well, and is put away by this. */
  onClose?: () => void;
  children: ReactNode;
}

/** Around one part that comes later: when it fails, that is said in its place, and the rest of the page goes on. */
export class Later extends Component<Props, { failure: unknown }> {
  override state = { failure: null };

  static getDerivedStateFromError(failure: unknown) {
    return { failure };
  }

  override render() {
    const { failure } = this.state;
    const { onClose, children } = this.props;
    if (failure === null) return children;
    const [title, text] = (failure as unknown) instanceof Unfetched ? errors.renewed : errors.failedPart;
    const words = (
      <>
        <h2>{title}</h2>
        <p>{text}</p>
      </>
    );
    const reload = (
      <button type="button" className={button.button} onClick={() => location.reload()}>
        {errors.reload}
      </button>
    );
    if (!onClose) {
      return (
        <section className={styles.missing} role="alert">
          {words}
          {reload}
        </section>
      );
    }
    return (
      <Dialog label={title} className={dialogs.box} role="alertdialog" onClose={onClose}>
        <div className={dialogs.content}>
          {words}
          <div className={dialogs.choice}>
            <button type="button" className={button.button} onClick={onClose}>
              {errors.close}
            </button>
            {reload}
          </div>
        </div>
      </Dialog>
    );
  }
}
