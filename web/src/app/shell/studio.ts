/** What the studio's parts share: the places, the draft, the way to complain. */

import { createContext, useContext } from "react";
import type { Draft } from "../composer/useDraft";
import type { Place } from "../places";
import type { ImageGenerationArgs, Kind } from "../served/server";

export interface Studio {
  places: readonly Place[];
  kind: Kind | undefined;
  draft: Draft;
  change: (to: Partial<Draft>) => void;
  /** Puts something into the form and the cursor behind its prompt. */
  compose: (draft: Partial<Draft>) => void;
  /** Has pictures made and goes to where they come in; throws what the server says against it. */
  submit: (args: ImageGenerationArgs) => Promise<void>;
  /** Shows, above the pictures, what fits no field; `again` is offered where it may help. Null takes it away. */
  complain: (error: unknown, again?: () => void) => void;
}

const Context = createContext<Studio | null>(null);

export const StudioProvider = Context.Provider;

export function useStudio(): Studio {
  const studio = useContext(Context);
  if (!studio) throw new Error("There is no studio around this part.");
  return studio;
}
