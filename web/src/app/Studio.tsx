import { Suspense, useCallback, useEffect, useMemo, useRef, useState } from "react";
import { useLocation, useNavigate, useNavigationType } from "react-router";
import { addressOf, shownAt } from "./address";
import { Composer } from "./composer/Composer";
import { type Draft, useDraft } from "./composer/useDraft";
import { Blank } from "./gallery/Blank";
import { Gallery, loadEmpty } from "./gallery/Gallery";
import { Running } from "./gallery/Running";
import { brand, header, work as words } from "./messages";
import { placesOf } from "./places";
import { remember } from "./remembered";
import { kindOf, useKinds, useRefresh } from "./served/queries";
import { type ImageGenerationArgs, known, server } from "./served/server";
import { handIn } from "./served/submitting";
import { announce } from "./shell/announcer";
import { Banners, ProblemBanner } from "./shell/Banners";
import { Header } from "./shell/Header";
import { Later, later } from "./shell/Later";
import { Nowhere } from "./shell/Nowhere";
import styles from "./shell/shell.module.css";
import { type Studio as Shared, StudioProvider } from "./shell/studio";
import { useKeys } from "./shell/useKeys";

const loadWork = () => import("./work/WorkPage");
const WorkPage = later(async () => (await loadWork()).WorkPage);
const Help = later(async () => (await import("./dialogs/Help")).Help);

/** What cannot be fetched ahead is told of when it is to be drawn. */
const ahead = (load: () => Promise<unknown>) => void load().catch(() => {});

/** Fetches what is drawn only later: at once where the address asks for it, else when there is time. */
export function fetchAhead(): void {
  if (shownAt(addressOf(location.pathname))) {
    ahead(loadWork);
  } else {
    ahead(loadEmpty);
    setTimeout(ahead, 500, loadWork);
  }
}

/** Whether form and sheet are not side by side: then a page is another sheet, not the same one in another place. */
const isNarrow = () => matchMedia("(max-width: 59.99rem)").matches;

const KIND = "image-generation";

interface Complaint {
  problem: unknown;
  again: (() => void) | undefined;
}

/** The form at the side, the sheet with what comes of it, and what was made before. */
export function Studio() {
  const { pathname } = useLocation();
  const address = addressOf(pathname);
  const shown = shownAt(address);
  /** Whether the sheet is what one came for, and not the form. */
  const aside = address === null || shown !== null;
  const kinds = useKinds().data?.kinds;
  const kind = kindOf(kinds, KIND);
  const places = useMemo(() => placesOf(kind), [kind]);
  const [draft, change] = useDraft(places);
  const [complaint, setComplaint] = useState<Complaint | null>(null);
  const [helps, setHelps] = useState(false);
  const field = useRef<HTMLTextAreaElement>(null);
  const sheet = useRef<HTMLElement>(null);
  const navigate = useNavigate();
  const refresh = useRefresh();

  const complain = useCallback((problem: unknown, again?: () => void) => {
    setComplaint(problem === null ? null : { problem, again });
  }, []);

  const submit = useCallback(
    async (args: ImageGenerationArgs) => {
      setComplaint(null);
      await known();
      const { jobId: accepted } = await handIn([KIND, args], (idempotencyKey) =>
        server.createGenerationJob(args, { idempotencyKey }),
      );
      remember.sent(args.prompt);
      announce("sent", words.accepted);
      refresh();
      await navigate(`/jobs/${accepted}`);
    },
    [navigate, refresh],
  );

  const toPrompt = useCallback(async () => {
    if (field.current?.offsetParent === null) await navigate("/");
    requestAnimationFrame(() => {
      const area = field.current;
      area?.focus();
      area?.setSelectionRange(area.value.length, area.value.length);
    });
  }, [navigate]);

  const compose = useCallback(
    ({ prompt, imageType, fit, platforms }: Partial<Draft>) => {
      change({
        ...(prompt !== undefined && { prompt }),
        ...(imageType && { imageType }),
        ...(fit && { fit }),
        ...(platforms && { platforms }),
      });
      void toPrompt();
    },
    [change, toPrompt],
  );

  const keys = useMemo(
    () => ({
      "?": () => setHelps(true),
      "/": () => void toPrompt(),
      e: () => dispatchEvent(new Event("studio:adjust")),
    }),
    [toPrompt],
  );
  useKeys(keys);

  const cameBack = useNavigationType() === "POP";
  // biome-ignore lint/correctness/useExhaustiveDependencies: another page is what counts
  useEffect(() => {
    if (!cameBack) scrollTo({ top: 0 });
    const held = document.activeElement;
    const lost = held === document.body || (held instanceof HTMLElement && held.offsetParent === null);
    if (!cameBack && lost) sheet.current?.focus({ preventScroll: true });
  }, [shown, aside]);

  const shared: Shared = useMemo(
    () => ({ places, kind, draft, change, compose, submit, complain }),
    [places, kind, draft, change, compose, submit, complain],
  );

  return (
    <StudioProvider value={shared}>
      <a className={styles.skip} href="#sheet">
        {brand.skip}
      </a>
      <Header aside={aside} onHelp={() => setHelps(true)} />
      <Banners aside={aside} />
      <div className={styles.studio}>
        <div className={styles.pane} data-aside={aside}>
          <Composer field={field} />
        </div>
        <main
          key={isNarrow() ? `${aside} ${shown}` : "sheet"}
          ref={sheet}
          className={styles.sheet}
          id="sheet"
          tabIndex={-1}
          aria-label={words.region}
        >
          {!aside && <h1 className={styles.unseen}>{header.title}</h1>}
          {complaint && (
            <ProblemBanner
              problem={complaint.problem}
              again={complaint.again}
              onDismiss={() => setComplaint(null)}
            />
          )}
          {address === null && <Nowhere />}
          <Suspense fallback={<Blank />}>
            {address && shown && (
              <Later key={shown}>
                <WorkPage {...address} />
              </Later>
            )}
          </Suspense>
          <Running without={shown} />
          <Gallery without={shown} welcome={!aside} />
        </main>
      </div>
      <Suspense>
        {helps && (
          <Later onClose={() => setHelps(false)}>
            <Help onClose={() => setHelps(false)} />
          </Later>
        )}
      </Suspense>
    </StudioProvider>
  );
}
