import { type ReactNode, useLayoutEffect, useRef } from "react";
import { useRested } from "../../react/use-rested";
import { copied, work as words } from "../messages";
import { useRefresh } from "../served/queries";
import { isEnded, type JobStatusResult } from "../served/server";
import button from "../shell/button.module.css";
import { copyLink } from "../shell/copy";
import { Icon } from "../shell/Icon";
import { Popover } from "../shell/Popover";
import shell from "../shell/shell.module.css";
import { useStudio } from "../shell/studio";
import { readyTiles, type Work } from "./work";
import styles from "./work.module.css";

const SEEDS = 2 ** 31 - 1;

/** A seed that is not 0, which would be no seed, and not the one before. */
function otherSeed(seed: number): number {
  const drawn = 1 + Math.floor(Math.random() * (SEEDS - 1));
  return drawn === seed ? (drawn % (SEEDS - 1)) + 1 : drawn;
}

interface Props {
  work: Work;
  job: JobStatusResult;
  cut: JobStatusResult;
  onAdjust: () => void;
  onDelete: () => void;
}

/** What can be done now: cancel while it goes on; afterwards adjust, download, vary, try again, and the rest. */
export function WorkActions({ work, job, cut, onAdjust, onDelete }: Props) {
  const { submit, compose, complain } = useStudio();
  const refresh = useRefresh();
  const busy = useRef(false);
  /** The seed of the next variation, the same one until it is accepted; 0 when none is drawn. */
  const drawn = useRef(0);
  const cutting = cut.view !== null && !isEnded(cut.view);
  const going = cutting ? cut : job;
  const rests = !going.view || isEnded(going.view);
  const rested = useRested(rests);
  const { generationId } = work;

  const act = (what: () => Promise<unknown>) => async () => {
    if (busy.current) return;
    busy.current = true;
    complain(null);
    try {
      await what();
    } catch (error) {
      complain(error, act(what));
    } finally {
      busy.current = false;
      refresh();
    }
  };
  const make = (seed: number) => {
    const { prompt, imageType, platforms, fit } = work;
    return submit({ prompt, imageType, platforms, fit, seed });
  };
  const vary = act(async () => {
    drawn.current ||= otherSeed(work.seed);
    await make(drawn.current);
    drawn.current = 0;
  });
  const again = act(() => job.retry({ cascade: true }));

  if (!rests) {
    const asked = going.view?.phase === "active" && going.view.cancelRequested;
    return (
      <Row key="going">
        <button
          type="button"
          className={button.button}
          aria-disabled={asked || undefined}
          onClick={asked ? undefined : act(going.cancel)}
        >
          <Icon name="cross" />
          {asked ? words.cancelling : words.cancel}
        </button>
      </Row>
    );
  }
  const failed = job.view?.phase === "failed" || job.view?.phase === "cancelled";
  return (
    <Row key="rest">
      {failed && (
        <button
          type="button"
          className={button.button}
          aria-disabled={!rested || undefined}
          onClick={rested ? again : undefined}
        >
          <Icon name="again" />
          {words.retry}
        </button>
      )}
      {work.master && generationId && (
        <button type="button" className={button.button} onClick={onAdjust}>
          <Icon name="crop" />
          {words.adjust}
        </button>
      )}
      {generationId && readyTiles(work).length > 1 && (
        <a className={button.button} href={`/api/generations/${generationId}/zip`} download>
          <Icon name="down" />
          {words.zip}
        </a>
      )}
      {!failed && (
        <button
          type="button"
          className={button.button}
          title={words.varyHint}
          aria-disabled={!rested || undefined}
          onClick={rested ? vary : undefined}
        >
          <Icon name="vary" />
          {words.vary}
        </button>
      )}
      <Popover
        label={words.more}
        className={`${button.button} ${button.only}`}
        button={<Icon name="more" />}
        closes
      >
        <div className={shell.menu}>
          <Item icon="pen" text={words.edit} onClick={() => compose(work)} />
          <Item
            icon="again"
            text={words.again2}
            hint={words.againHint}
            onClick={act(() => make(work.seed))}
          />
          {failed && <Item icon="vary" text={words.vary} hint={words.varyHint} onClick={vary} />}
          <Item icon="link" text={words.copyPage} onClick={() => copyLink(location.href, copied.page)} />
          {generationId && <Item icon="bin" text={words.remove} grave onClick={onDelete} />}
        </div>
      </Popover>
    </Row>
  );
}

/** Buttons that go together. Whoever stands on one of them as they go is taken to the title of the work. */
function Row({ children }: { children: ReactNode }) {
  const ref = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const row = ref.current;
    return () => {
      if (row?.contains(document.activeElement))
        row.closest("article")?.querySelector("h1")?.focus({ preventScroll: true });
    };
  }, []);
  return (
    <div ref={ref} className={styles.actions}>
      {children}
    </div>
  );
}

interface ItemProps {
  icon: Parameters<typeof Icon>[0]["name"];
  text: string;
  hint?: string;
  grave?: boolean;
  onClick: () => void;
}

function Item({ icon, text, hint, grave = false, onClick }: ItemProps) {
  return (
    <button type="button" className={`${shell.item} ${grave ? shell.itemGrave : ""}`} onClick={onClick}>
      <Icon name={icon} />
      <span>
        {text}
        {hint && <small className={shell.itemHint}>{hint}</small>}
      </span>
    </button>
  );
}
