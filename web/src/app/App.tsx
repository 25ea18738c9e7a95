import { QueryClientProvider } from "@tanstack/react-query";
import { useState } from "react";
import { BrowserRouter } from "react-router";
import { Studio } from "./Studio";
import { newQueryClient } from "./served/queries";
import { Failing } from "./shell/Failing";
import { LiveRegion } from "./shell/LiveRegion";
import { Toast } from "./shell/Toast";

/** The studio with all that it needs around it. */
export function App() {
  const [client] = useState(newQueryClient);
  return (
    <Failing>
      <QueryClientProvider client={client}>
        <BrowserRouter>
          <Studio />
        </BrowserRouter>
        <Toast />
        <LiveRegion />
      </QueryClientProvider>
    </Failing>
  );
}
