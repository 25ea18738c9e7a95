/** The studio's beginning. */

import "./tokens.css";
import "./base.css";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App, fetchAhead } from "./App";
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
