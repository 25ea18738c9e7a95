import { QueryClientProvider } from "@tanstack/react-query";
import { lazy, useState } from "react";
import { BrowserRouter, Navigate, Route, Routes } from "react-router";
import { Studio } from "./Studio";
import { newQueryClient } from "./served/queries";
import { Failing } from "./shell/Failing";
import { LiveRegion } from "./shell/LiveRegion";
import { Toast } from "./shell/Toast";

const loadWork = () => import("./work/WorkPage");
const WorkPage = lazy(async () => ({ default: (await loadWork()).WorkPage }));

/** Fetches what is drawn only later: at once where the address asks for it, else when there is time. */
export function fetchAhead(): void {
  if (location.pathname !== "/") void loadWork();
  else setTimeout(loadWork, 500);
}

/** The studio with all that it needs around it. */
export function App() {
  const [client] = useState(newQueryClient);
  return (
    <Failing>
      <QueryClientProvider client={client}>
        <BrowserRouter>
          <Routes>
            <Route element={<Studio />}>
              <Route index element={null} />
              <Route path="jobs/:jobId" element={<WorkPage />} />
              <Route path="generations/:generationId" element={<WorkPage />} />
            </Route>
            <Route path="*" element={<Navigate to="/" replace />} />
          </Routes>
        </BrowserRouter>
        <Toast />
        <LiveRegion />
      </QueryClientProvider>
    </Failing>
  );
}
