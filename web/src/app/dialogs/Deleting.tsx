import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useNavigate } from "react-router";
import { deleting as words } from "../messages";
import { useRefresh } from "../served/queries";
import { ProblemError, server } from "../served/server";
import button from "../shell/button.module.css";
import { Dialog } from "../shell/Dialog";
import { useStudio } from "../shell/studio";
import { toast } from "../shell/toast";
import { readyTiles, type Work } from "../work/work";
import styles from "./dialogs.module.css";

/** Asks once more before pictures are deleted for good. */
export function Deleting({ work, onClose }: { work: Work; onClose: () => void }) {
  const { complain } = useStudio();
  const [busy, setBusy] = useState(false);
  const navigate = useNavigate();
  const refresh = useRefresh();
  const client = useQueryClient();
  const pictures = readyTiles(work).length;

  const remove = async () => {
    if (busy || !work.generationId) return;
    setBusy(true);
    try {
      await server.deleteGeneration(work.generationId);
    } catch (error) {
      if (!(error instanceof ProblemError && error.status === 404)) {
        complain(error);
        return onClose();
      }
    }
    client.removeQueries({ queryKey: ["generation", work.generationId] });
    await navigate("/");
    refresh();
    toast(words.done);
  };

  return (
    <Dialog label={words.title} role="alertdialog" className={styles.box} onClose={onClose}>
      <div className={styles.content}>
        <h2>{words.title}</h2>
        <p className={styles.quote}>{work.prompt}</p>
        <p>{pictures > 0 || work.master ? words.gone(pictures) : words.nothing}</p>
        <div className={styles.choice}>
          {/* The first button is the one that has the focus: the harmless one. */}
          <button type="button" className={button.button} onClick={onClose}>
            {words.keep}
          </button>
          <button type="button" className={`${button.button} ${button.grave}`} onClick={remove}>
            {words.go}
          </button>
        </div>
      </div>
    </Dialog>
  );
}
