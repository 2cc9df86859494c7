import { MantineProvider } from "@mantine/core";
import { createRoot } from "react-dom/client";
import { theme } from "../../ui/theme.ts";
import { UploadTray } from "./UploadTray.tsx";

let mounted = false;

/**
 * The tray outlives the page that filled it: one goes on working elsewhere in the console while it sends.
 * So it has a root of its own, beside the console's, which keeps the theme's variables and the colour scheme.
 */
export function mountUploadTray(): void {
  if (mounted) return;
  mounted = true;
  const place = document.createElement("div");
  document.body.append(place);
  createRoot(place).render(
    <MantineProvider
      theme={theme}
      withCssVariables={false}
      withGlobalClasses={false}
      withStaticClasses={false}
      getRootElement={() => undefined}
    >
      <UploadTray />
    </MantineProvider>,
  );
}
