// First: it says in which order the layers stand.
import "./ui/global.css";
import "@mantine/core/styles.layer.css";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { Console } from "./frame/Console.tsx";
import { reloadForMissingParts } from "./frame/missingParts.ts";
import { currentLanguage, loadAreas } from "./i18n/i18n.ts";

reloadForMissingParts();
document.documentElement.lang = currentLanguage();
// The words first: a page never shows a key.
await loadAreas(["ui", "frame", "errors"]);
createRoot(document.getElementById("root") as HTMLElement).render(
  <StrictMode>
    <Console />
  </StrictMode>,
);
