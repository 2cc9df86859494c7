import { IconServer } from "@tabler/icons-react";
import { callApi } from "../../api/api.ts";
import { type ServicePages, servicePages } from "../../frame/registry.ts";

const instancePage = () => import("./InstancePage.tsx");
const instanceAreas = ["compute", "operations", "usage", "disks", "objects", "networks", "watch", "terminal"] as const;

const pages: ServicePages = servicePages({
  pages: [
    {
      scope: "project",
      path: "instances",
      title: "frame.nav.instances",
      load: () => import("./InstancesPage.tsx"),
      areas: ["compute"],
    },
    {
      scope: "project",
      path: "instances/new",
      title: "frame.nav.newInstance",
      load: () => import("./InstanceCreatePage.tsx"),
      areas: ["compute"],
    },
    { scope: "project", path: "instances/$instance", title: "compute.instance", load: instancePage, areas: instanceAreas },
    { scope: "project", path: "instances/$instance/$tab", title: "compute.instance", load: instancePage, areas: instanceAreas },
  ],
  navigation: [
    {
      section: "servers",
      order: 1,
      label: "frame.nav.instances",
      icon: IconServer,
      scope: "project",
      path: "instances",
      requires: "viewer",
    },
  ],
  events: {
    "compute.instance.changed": ["instanceList", "instanceGet", "operationList", "quotaList"],
  },
  search: async (words, { project, address }) => {
    if (!project) return [];
    const { items } = await callApi("instanceList", { project: project.id as never, search: words.slice(0, 63), limit: 8 });
    return items.map(({ id, name, imageName }) => ({
      id,
      label: name,
      description: imageName,
      icon: IconServer,
      to: address("project", `instances/${id}`),
    }));
  },
});

export default pages;
