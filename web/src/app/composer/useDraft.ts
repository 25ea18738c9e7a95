import { useCallback, useState } from "react";
import { firstChoice, type Place } from "../places";
import { remember, remembered } from "../remembered";
import type { Fit, ImageType, Platform } from "../served/server";

export interface Draft {
  prompt: string;
  imageType: ImageType;
  fit: Fit;
  platforms: Platform[];
}

/** The platforms that were chosen last and still are places; on a first visit a few that look different. */
function chosenAmong(places: readonly Place[], names: readonly string[] | null): Platform[] {
  const known = places.filter(({ name }) => names?.includes(name)).map(({ name }) => name);
  return names === null || (names.length > 0 && known.length === 0) ? firstChoice(places) : known;
}

/**
 * What is being put together in the form: kept in this browser with each change, so neither an error nor a reload
 * takes it away.
 */
export function useDraft(places: readonly Place[]): [Draft, (change: Partial<Draft>) => void] {
  const [prompt, setPrompt] = useState(remembered.draft);
  const [imageType, setImageType] = useState(remembered.imageType);
  const [fit, setFit] = useState(remembered.fit);
  const [names, setNames] = useState(remembered.places);
  const change = useCallback((to: Partial<Draft>) => {
    if (to.prompt !== undefined) setPrompt(to.prompt);
    if (to.imageType) setImageType(to.imageType);
    if (to.fit) setFit(to.fit);
    if (to.platforms) setNames(to.platforms);
    if (to.prompt !== undefined) remember.draft(to.prompt);
    if (to.imageType) remember.imageType(to.imageType);
    if (to.fit) remember.fit(to.fit);
    if (to.platforms) remember.places(to.platforms);
  }, []);
  return [{ prompt, imageType, fit, platforms: chosenAmong(places, names) }, change];
}
