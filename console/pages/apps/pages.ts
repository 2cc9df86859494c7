import { IconApps } from "@tabler/icons-react";
import { callApi } from "../../api/api.ts";
import { type ServicePages, servicePages } from "../../frame/registry.ts";

const appPage = () => import("./AppPage.tsx");
const appAreas = ["apps", "cron", "deploy", "rights", "watch", "terminal", "catalogue"] as const;

const pages: ServicePages = servicePages({
  pages: [
    { scope: "project", path: "apps", title: "frame.nav.apps", load: () => import("./AppsPage.tsx"), areas: ["apps"] },
    {
      scope: "project",
      path: "apps/new",
      title: "frame.nav.newApp",
      load: () => import("./AppCreatePage.tsx"),
      areas: ["apps", "deploy"],
    },
    { scope: "project", path: "apps/$app", title: "apps.app", load: appPage, areas: appAreas },
    { scope: "project", path: "apps/$app/$tab", title: "apps.app", load: appPage, areas: appAreas },
    {
      scope: "project",
      path: "apps/$app/deployments/$deployment",
      title: "apps.deployment",
      load: () => import("./DeploymentPage.tsx"),
      areas: ["apps", "deploy"],
    },
    {
      scope: "cloud",
      path: "app-engine",
      title: "cloud.appEngine",
      load: () => import("./AppEnginePage.tsx"),
      areas: ["cloud", "apps", "deploy"],
    },
  ],
  navigation: [
    { section: "apps", order: 1, label: "frame.nav.apps", icon: IconApps, scope: "project", path: "apps", requires: "viewer" },
  ],
  events: {
    "apps.app.changed": [
      "appList",
      "appGet",
      "processList",
      "containerList",
      "releaseList",
      "quotaList",
      "domainList",
      "appAccessGet",
    ],
    "apps.deployment.changed": ["deploymentList", "deploymentGet", "appGet", "appList", "releaseList", "settingList"],
  },
  search: async (words, { project, address }) => {
    if (!project) return [];
    const { items } = await callApi("appList", { project: project.id as never, search: words.slice(0, 100), limit: 8 });
    return items.map(({ id, name, description }) => ({
      id,
      label: name,
      description,
      icon: IconApps,
      to: address("project", `apps/${id}`),
    }));
  },
});

export default pages;
