import { type FormEvent, type KeyboardEvent, type RefObject, useEffect, useRef, useState } from "react";
import { errors, composer as words } from "../messages";
import { promptLimit } from "../served/queries";
import { ProblemError } from "../served/server";
import button from "../shell/button.module.css";
import { useStudio } from "../shell/studio";
import { CostLine } from "./CostLine";
import styles from "./composer.module.css";
import { PlatformPicker } from "./PlatformPicker";
import { lengthOf, PromptField } from "./PromptField";
import { Segments } from "./Segments";

const APPLE = /Mac|iPhone|iPad/.test(navigator.platform);

type Problems = Partial<Record<"prompt" | "platforms", string>>;

/** What the server says of the form's fields ("platforms.2" is about platforms); empty if it is about none of them. */
function problemsOf(error: unknown): Problems {
  const problems: Problems = {};
  for (const { field, message } of error instanceof ProblemError ? (error.fields ?? []) : []) {
    const path = field.split(/[.[\]/]+/);
    for (const name of ["prompt", "platforms"] as const) if (path.includes(name)) problems[name] = message;
  }
  return problems;
}

/** Nobody wants the same once more so soon: it is the second half of a double click, after an answer that came between the two. */
const DOUBLE_MS = 700;

/** The form. It keeps all that was entered, whatever comes of it. */
export function Composer({ field }: { field: RefObject<HTMLTextAreaElement | null> }) {
  const { places, kind, draft, change, submit, complain } = useStudio();
  const [problems, setProblems] = useState<Problems>({});
  const [sending, setSending] = useState(false);
  const [early, setEarly] = useState(false);
  const limit = promptLimit(kind);

  const send = async () => {
    if (sending) return;
    const wrong: Problems = {};
    if (!draft.prompt.trim()) wrong.prompt = words.empty;
    if (lengthOf(draft.prompt) > limit) wrong.prompt = words.tooLong(lengthOf(draft.prompt) - limit);
    if (places.length > 0 && draft.platforms.length === 0) wrong.platforms = words.noPlaces;
    setProblems(wrong);
    if (wrong.prompt) return field.current?.focus();
    if (wrong.platforms) return;
    if (places.length === 0) return setEarly(true);
    setSending(true);
    try {
      await submit(draft);
      setTimeout(setSending, DOUBLE_MS, false);
    } catch (error) {
      setSending(false);
      const found = problemsOf(error);
      setProblems(found);
      if (Object.keys(found).length === 0) complain(error, () => void latest.current());
      else if (found.prompt) field.current?.focus();
    }
  };
  /** What "Try again" does later: it sends what the form has by then. */
  const latest = useRef(send);
  useEffect(() => {
    latest.current = send;
  });

  const onSubmit = (event: FormEvent) => {
    event.preventDefault();
    void send();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const sends = event.ctrlKey || event.metaKey;
    if (event.key !== "Enter" || !(sends || event.repeat)) return;
    if (!sends && event.target === field.current) return; // lines
    event.preventDefault(); // a key that is held is one press
    if (!event.repeat) void send();
  };

  return (
    <form
      className={styles.composer}
      noValidate
      aria-label={words.title}
      onSubmit={onSubmit}
      onKeyDown={onKeyDown}
    >
      <div className={styles.body}>
        <PromptField
          field={field}
          value={draft.prompt}
          limit={limit}
          problem={problems.prompt ?? ""}
          onChange={(prompt) => {
            change({ prompt });
            if (problems.prompt) setProblems({ ...problems, prompt: "" });
          }}
        />
        <div className={styles.pair}>
          <Segments
            name="imageType"
            legend={words.look}
            value={draft.imageType}
            choices={words.looks}
            onChange={(imageType) => change({ imageType })}
          />
          <Segments
            name="fit"
            legend={words.fit}
            value={draft.fit}
            choices={words.fits}
            onChange={(fit) => change({ fit })}
          />
        </div>
        {places.length > 0 ? (
          <PlatformPicker
            places={places}
            chosen={draft.platforms}
            problem={problems.platforms ?? ""}
            onChange={(platforms) => {
              change({ platforms });
              if (platforms.length > 0) setProblems({ ...problems, platforms: "" });
            }}
          />
        ) : (
          <p key={`${early}`} className={styles.picking} role={early ? "alert" : "status"}>
            {early ? errors.early : errors.catalogue}
          </p>
        )}
      </div>
      <div className={styles.foot}>
        <CostLine />
        <button type="submit" className={button.go} aria-disabled={sending || undefined}>
          {sending ? words.sending : words.make(draft.platforms.length)}
          <kbd>{APPLE ? "⌘ ↵" : "Ctrl ↵"}</kbd>
        </button>
      </div>
    </form>
  );
}
