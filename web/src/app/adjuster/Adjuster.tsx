import { type FormEvent, type ReactNode, useMemo, useState } from "react";
import { WholeNetwork } from "../composer/PlatformPicker";
import { Segments } from "../composer/Segments";
import { adviceFor, composer, errors, adjuster as words } from "../messages";
import type { Place } from "../places";
import { type Fit, type Platform, type FocalPoint as Point, ProblemError, server } from "../served/server";
import { handIn } from "../served/submitting";
import button from "../shell/button.module.css";
import { Dialog } from "../shell/Dialog";
import { Icon } from "../shell/Icon";
import { useStudio } from "../shell/studio";
import { readyTiles, type Work } from "../work/work";
import styles from "./adjuster.module.css";
import { CutPreview } from "./CutPreview";
import type { Crop } from "./crop";
import { FocalPoint } from "./FocalPoint";

const MIDDLE: Point = { x: 0.5, y: 0.5 };

interface Props {
  work: Work;
  onClose: () => void;
  /** Called with the job that cuts, once it is accepted. */
  onCut: (jobId: string) => void;
}

/** What decides where cuts are made, in words. */
function aimWords(fit: Fit, point: Point | null, suggested: Point | null): string {
  if (fit === "centre") return words.centre;
  if (fit === "contain") return words.contain;
  if (point) return words.kept(words.at(point.x, point.y));
  return suggested ? words.suggested : words.unknown;
}

const complaintOf = (error: unknown): string => {
  if (!(error instanceof ProblemError)) return `${errors.away} ${adviceFor("connection_lost", true)}`;
  const fields = error.fields?.map(({ message }) => message).join(" ");
  return `${fields || error.detail} ${adviceFor(error.code, error.retryable)}`.trim();
};

/** Choosing what is cut from a finished picture: the point to keep, the fit, the places; each cut shown as it will be. */
export function Adjuster({ work, onClose, onCut }: Props) {
  const { places } = useStudio();
  const [point, setPoint] = useState(work.point);
  const [fit, setFit] = useState(work.fit);
  const [had] = useState(() => readyTiles(work).map(({ platform }) => platform));
  const [chosen, setChosen] = useState<readonly Platform[]>(had);
  const [outline, setOutline] = useState<Crop | null>(null);
  const [problem, setProblem] = useState("");
  const [sending, setSending] = useState(false);
  const narrowFirst = useMemo(() => [...places].sort((a, b) => a.aspect - b.aspect), [places]);
  const { master, generationId } = work;
  if (!master?.width || !master.height || !generationId) return null;

  const size = { width: master.width, height: master.height, url: master.url };
  const shown = point ?? work.focal ?? MIDDLE;
  const set = (names: readonly Platform[], on: boolean) => {
    setProblem("");
    setChosen(
      places.map(({ name }) => name).filter((one) => (names.includes(one) ? on : chosen.includes(one))),
    );
  };
  const send = async (event: FormEvent) => {
    event.preventDefault();
    if (sending) return;
    if (chosen.length === 0) return setProblem(composer.noPlaces);
    setSending(true);
    try {
      const args = { platforms: [...chosen], fit, focalPoint: fit === "cover" ? point : null };
      const accepted = await handIn([generationId, args], (idempotencyKey) =>
        server.renderGeneration(generationId, args, { idempotencyKey }),
      );
      onCut(accepted.jobId);
    } catch (error) {
      setProblem(complaintOf(error));
      setSending(false);
    }
  };
  const group = (title: string, members: Place[]) =>
    members.length > 0 && (
      <PreviewGroup title={title} names={members.map(({ name }) => name)} chosen={chosen} onSet={set}>
        {members.map((place) => (
          <CutPreview
            key={place.name}
            place={place}
            master={size}
            src={work.proof ?? size.url}
            fit={fit}
            point={shown}
            checked={chosen.includes(place.name)}
            onSet={(on) => set([place.name], on)}
            onOutline={setOutline}
          />
        ))}
      </PreviewGroup>
    );

  return (
    <Dialog label={words.title} className={styles.adjuster} onClose={onClose}>
      <form className={styles.form} noValidate onSubmit={send}>
        <header className={styles.bar}>
          <h2>{words.title}</h2>
          <button
            type="button"
            className={`${button.button} ${button.only} ${button.bare}`}
            aria-label={words.close}
            onClick={onClose}
          >
            <Icon name="cross" />
          </button>
        </header>
        <div className={styles.body}>
          <div className={styles.side}>
            <FocalPoint
              master={size}
              alt={work.prompt}
              point={shown}
              set={point !== null}
              off={fit !== "cover"}
              outline={outline}
              onMove={setPoint}
            />
            <p className={styles.words}>
              {aimWords(fit, point, work.focal)}{" "}
              {fit === "cover" && point && (
                <button type="button" className={button.quiet} onClick={() => setPoint(null)}>
                  {words.unset}
                </button>
              )}
            </p>
            <Segments
              name="cut"
              legend={composer.fit}
              value={fit}
              choices={composer.fits}
              onChange={setFit}
            />
          </div>
          <div className={styles.places}>
            {group(
              words.made,
              narrowFirst.filter(({ name }) => had.includes(name)),
            )}
            {group(
              words.more,
              narrowFirst.filter(({ name }) => !had.includes(name)),
            )}
          </div>
        </div>
        <footer className={styles.foot}>
          <p className={styles.problem} role="alert">
            {problem}
          </p>
          <button type="submit" className={button.go} aria-disabled={sending || undefined}>
            {sending
              ? composer.sending
              : words.go(chosen.length, chosen.filter((name) => !had.includes(name)).length)}
          </button>
        </footer>
      </form>
    </Dialog>
  );
}

interface GroupProps {
  title: string;
  names: readonly Platform[];
  chosen: readonly Platform[];
  onSet: (names: readonly Platform[], on: boolean) => void;
  children: ReactNode;
}

function PreviewGroup({ title, names, chosen, onSet, children }: GroupProps) {
  const on = names.filter((name) => chosen.includes(name)).length;
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset is no good flex item
    <div className={styles.group} role="group" aria-label={title}>
      <WholeNetwork name={title} on={on} all={names.length} onSet={(wanted) => onSet(names, wanted)} />
      <div className={styles.previews}>{children}</div>
    </div>
  );
}
