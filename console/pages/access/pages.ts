import { IconKey } from "@tabler/icons-react";
import { servicePages } from "../../frame/registry.ts";

export default servicePages({
  pages: [
    {
      scope: "project",
      path: "access-keys",
      title: "access.keys",
      load: () => import("./AccessKeysPage.tsx"),
      areas: ["access"],
    },
    {
      scope: "account",
      path: "tokens",
      title: "access.tokens",
      load: () => import("./ApiTokensPage.tsx"),
      areas: ["access", "account"],
    },
  ],
  navigation: [
    {
      section: "storage",
      order: 20,
      label: "frame.nav.accessKeys",
      icon: IconKey,
      scope: "project",
      path: "access-keys",
      requires: "editor",
    },
  ],
});
