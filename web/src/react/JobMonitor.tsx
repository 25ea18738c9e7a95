/** A job to look at and to steer, without anything else of an app around it. */

import { type ReactNode, useLayoutEffect, useRef, useState } from "react";
import { type Client, type EndedView, isEnded, type Job, type JobError, type JobView } from "../sdk";
import { useClient } from "./client-context";
import { JobPictures } from "./JobPictures";
import styles from "./job-monitor.module.css";
import { type JobMonitorMessages, lineOf, messages as ours, standingOf } from "./job-monitor-messages";
import { type JobStatusResult, useJobStatus } from "./use-job-status";
import { useRested } from "./use-rested";

export interface JobMonitorProps {
  jobId: string;
  /** `compact`: a line with its progress and buttons; `full`: steps and pictures too. Default `full`. */
  variant?: "compact" | "full";
  initialJob?: Job | undefined;
  onSettled?: ((view: EndedView) => void) | undefined;
  /** Words that are to be other than ours. */
  messages?: Partial<JobMonitorMessages> | undefined;
  client?: Client | undefined;
  className?: string | undefined;
}

/**
 * Shows how a job is: what is being done, how far it is, where it waits, its pictures as they land, why it failed and what
 * can be done, and lets it be cancelled or tried again. Colours and spaces are custom properties (`--job-…`).
 */
export function JobMonitor(props: JobMonitorProps): ReactNode {
  const { jobId, variant = "full", initialJob, onSettled, className } = props;
  const client = useClient(props.client);
  const job = useJobStatus(jobId, { client, initialJob, onSettled });
  const words = { ...ours, ...props.messages };
  const { view, connection, error } = job;
  const rested = useRested(view !== null && isEnded(view));
  if (!view) return null;
  const isFull = variant === "full";
  return (
    <article
      className={[styles.monitor, className].filter(Boolean).join(" ")}
      data-phase={view.phase}
      data-variant={variant}
      aria-label={words.label}
      tabIndex={-1}
    >
      <div className={styles.head}>
        <p className={styles.line} role="status">
          {error ? words.refused : lineOf(view, words)}
        </p>
        <Connection state={connection} words={words} />
        {!error && (
          <Actions key={`${jobId} ${isEnded(view)}`} job={job} view={view} rested={rested} words={words} />
        )}
      </div>
      {!error && <Bar view={view} words={words} />}
      {!error && <p className={styles.standing}>{standingOf(view, words)}</p>}
      {view.phase === "failed" && <Failure error={view.error} words={words} />}
      {isFull && <Steps view={view} words={words} />}
      {isFull && <JobPictures view={view} words={words} url={client.url} />}
    </article>
  );
}

function Connection({ state, words }: { state: string; words: JobMonitorMessages }) {
  if (state !== "reconnecting" && state !== "polling" && state !== "offline") return null;
  return <span className={styles.connection}>{words.connection[state]}</span>;
}

/** Its place is kept when there is nothing more to show, so that nothing moves. */
function Bar({ view, words }: { view: JobView; words: JobMonitorMessages }) {
  const isKnown = view.phase === "active" || isEnded(view);
  return (
    <progress
      className={styles.bar}
      aria-label={words.progress}
      max={100}
      {...(isKnown && { value: Math.round(view.progress) })}
    />
  );
}

function Failure({ error, words }: { error: JobError; words: JobMonitorMessages }) {
  return (
    <p className={styles.failure}>
      <strong>{error.message}</strong> {words.advice(error)} <code>{error.code}</code>
    </p>
  );
}

interface ActionsProps {
  job: JobStatusResult;
  view: JobView;
  rested: boolean;
  words: JobMonitorMessages;
}

/** Cancel while there is something to cancel, another run when one has come to nothing; one thing at a time. */
function Actions({ job, view, rested, words }: ActionsProps) {
  const [isBusy, setBusy] = useState(false);
  const [failure, setFailure] = useState<Error | null>(null);
  if (view.phase === "loading") return null;
  const act = async (action: () => Promise<void>) => {
    if (isBusy) return;
    setBusy(true);
    setFailure(null);
    try {
      await action();
    } catch (caught) {
      setFailure(caught instanceof Error ? caught : new Error(String(caught)));
    } finally {
      setBusy(false);
    }
  };
  const mayCancel = !isEnded(view) && !(view.phase === "active" && view.cancelRequested);
  const mayRetry = view.phase === "failed" || view.phase === "cancelled";
  return (
    <>
      {mayCancel && (
        <Button key="cancel" isBusy={isBusy} onClick={() => void act(job.cancel)}>
          {words.cancel}
        </Button>
      )}
      {mayRetry && (
        <Button key="retry" isBusy={isBusy || !rested} onClick={() => rested && void act(() => job.retry())}>
          {words.retry}
        </Button>
      )}
      {failure && (
        <span className={styles.failure} role="alert">
          {words.actionFailed(failure)}
        </span>
      )}
    </>
  );
}

interface ButtonProps {
  isBusy: boolean;
  onClick: () => void;
  children: ReactNode;
}

/** A button that goes when there is nothing more for it to do; whoever stands on it then is taken to the monitor itself. */
function Button({ isBusy, onClick, children }: ButtonProps) {
  const ref = useRef<HTMLButtonElement>(null);
  useLayoutEffect(() => {
    const button = ref.current;
    return () => {
      if (button && button === document.activeElement)
        button.closest("article")?.focus({ preventScroll: true });
    };
  }, []);
  return (
    <button ref={ref} type="button" aria-disabled={isBusy || undefined} onClick={onClick}>
      {children}
    </button>
  );
}

function Steps({ view, words }: { view: JobView; words: JobMonitorMessages }) {
  if (view.steps.length === 0) return null;
  return (
    <ol className={styles.steps} aria-label={words.steps}>
      {view.steps.map(({ name, state, error }) => (
        <li key={name} data-state={state}>
          <span>{words.step(name)}</span> <small>{error?.message ?? words.stepStates[state]}</small>
        </li>
      ))}
    </ol>
  );
}
