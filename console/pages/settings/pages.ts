import { IconSettings } from "@tabler/icons-react";
import { servicePages } from "../../frame/registry.ts";

export default servicePages({
  pages: [
    {
      scope: "organisation",
      path: "settings",
      title: "settings.title",
      load: () => import("./OrganisationSettingsPage.tsx"),
      areas: ["settings"],
    },
  ],
  navigation: [
    {
      section: "organisation",
      order: 90,
      label: "frame.nav.settings",
      icon: IconSettings,
      scope: "organisation",
      path: "settings",
      requires: "viewer",
    },
  ],
});
