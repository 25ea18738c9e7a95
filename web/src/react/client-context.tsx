/** Which client the hooks ask. Without a provider it is the one of the page's own server. */

import { createContext, type ReactNode, useContext } from "react";
import { type Client, defaultClient } from "../sdk";

const Context = createContext<Client | null>(null);

export interface SnapAssetProviderProps {
  client: Client;
  children: ReactNode;
}

/** Has everything within it ask `client`. Make the client once, outside of components or in state. */
export function SnapAssetProvider({ client, children }: SnapAssetProviderProps): ReactNode {
  return <Context value={client}>{children}</Context>;
}

/** The client of the nearest provider, else the one of the page's own server; `given` goes before both. */
export function useClient(given?: Client): Client {
  const provided = useContext(Context);
  return given ?? provided ?? defaultClient();
}
