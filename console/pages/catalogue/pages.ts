import { IconBuildingStore } from "@tabler/icons-react";
import { callApi } from "../../api/api.ts";
import { servicePages } from "../../frame/registry.ts";

export default servicePages({
  pages: [
    {
      scope: "project",
      path: "catalogue",
      title: "frame.nav.catalogue",
      load: () => import("./CataloguePage.tsx"),
      areas: ["catalogue", "apps"],
    },
    {
      scope: "project",
      path: "catalogue/$template",
      title: "frame.nav.catalogue",
      load: () => import("./TemplatePage.tsx"),
      areas: ["catalogue", "apps", "operations"],
    },
  ],
  navigation: [
    {
      section: "apps",
      order: 30,
      label: "frame.nav.catalogue",
      icon: IconBuildingStore,
      scope: "project",
      path: "catalogue",
      requires: "viewer",
    },
  ],
  events: {
    "apps.installation.changed": ["installationList", "installationGet", "appBackupList"],
  },
  search: async (words, { project, address }) => {
    if (!project) return [];
    const { items } = await callApi("templateList", { project: project.id as never, search: words.slice(0, 100), limit: 5 });
    return items.map(({ id, name }) => ({
      id: `template-${id}`,
      label: name,
      icon: IconBuildingStore,
      to: address("project", `catalogue/${id}`),
    }));
  },
});
