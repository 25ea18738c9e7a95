/** The studio's beginning. */

import "./tokens.css";
import "./base.css";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./App";
import { fetchAhead } from "./Studio";
import { applyTheme } from "./shell/theme";

applyTheme();
fetchAhead();
const root = document.getElementById("root");
if (root) {
  createRoot(root).render(
    <StrictMode>
      <App />
    </StrictMode>,
  );
}
