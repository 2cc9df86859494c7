import { IconFolders } from "@tabler/icons-react";
import { servicePages } from "../../frame/registry.ts";

export default servicePages({
  pages: [
    {
      scope: "organisation",
      path: "projects",
      title: "projects.title",
      load: () => import("./ProjectsPage.tsx"),
      areas: ["projects"],
    },
  ],
  navigation: [
    {
      section: "organisation",
      order: 10,
      label: "frame.nav.projects",
      icon: IconFolders,
      scope: "organisation",
      path: "projects",
    },
  ],
});
