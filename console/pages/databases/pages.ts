import { IconDatabase } from "@tabler/icons-react";
import { callApi } from "../../api/api.ts";
import { type ServicePages, servicePages } from "../../frame/registry.ts";

const databasePage = () => import("./DatabasePage.tsx");
const databaseAreas = ["databases", "sql", "watch", "operations"] as const;

const pages: ServicePages = servicePages({
  pages: [
    {
      scope: "project",
      path: "databases",
      title: "frame.nav.databases",
      load: () => import("./DatabasesPage.tsx"),
      areas: ["databases", "apps"],
    },
    {
      scope: "project",
      path: "databases/new",
      title: "frame.nav.newDatabase",
      load: () => import("./DatabaseCreatePage.tsx"),
      areas: ["databases", "apps"],
    },
    { scope: "project", path: "databases/$database", title: "databases.database", load: databasePage, areas: databaseAreas },
    { scope: "project", path: "databases/$database/$tab", title: "databases.database", load: databasePage, areas: databaseAreas },
  ],
  navigation: [
    {
      section: "apps",
      order: 2,
      label: "frame.nav.databases",
      icon: IconDatabase,
      scope: "project",
      path: "databases",
      requires: "viewer",
    },
  ],
  events: {
    "databases.database.changed": ["databaseList", "databaseGet", "databaseConnectionGet", "databaseUserList", "quotaList"],
    "databases.user.changed": ["databaseUserList"],
    "databases.backup.changed": ["databaseBackupList", "databaseGet"],
  },
  search: async (words, { project, address }) => {
    if (!project) return [];
    const { items } = await callApi("databaseList", { project: project.id as never, limit: 200 });
    const wanted = words.toLowerCase();
    return items
      .filter(({ name }) => name.includes(wanted))
      .slice(0, 8)
      .map(({ id, name, version }) => ({
        id,
        label: name,
        description: `PostgreSQL ${version}`,
        icon: IconDatabase,
        to: address("project", `databases/${id}`),
      }));
  },
});

export default pages;
