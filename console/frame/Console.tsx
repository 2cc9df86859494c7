import { localStorageColorSchemeManager, MantineProvider } from "@mantine/core";
import { Notifications } from "@mantine/notifications";
import { QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { cssVariables, theme } from "../ui/theme.ts";
import { queries } from "./queries.ts";
import { router } from "./router.tsx";

const schemes = localStorageColorSchemeManager({ key: "khmara.scheme" });

export function Console() {
  return (
    <MantineProvider theme={theme} cssVariablesResolver={cssVariables} colorSchemeManager={schemes} defaultColorScheme="auto">
      <QueryClientProvider client={queries}>
        <RouterProvider router={router} />
      </QueryClientProvider>
      <Notifications position="bottom-right" limit={3} autoClose={5000} containerWidth={380} />
    </MantineProvider>
  );
}
