import { IconCalculator } from "@tabler/icons-react";
import { callApi } from "../../api/api.ts";
import { type ServicePages, servicePages } from "../../frame/registry.ts";

const pages: ServicePages = servicePages({
  pages: [
    {
      scope: "project",
      path: "jobs",
      title: "frame.nav.jobs",
      load: () => import("./JobsPage.tsx"),
      areas: ["jobs", "compute"],
    },
    { scope: "project", path: "jobs/$job", title: "jobs.job", load: () => import("./JobPage.tsx"), areas: ["jobs"] },
  ],
  navigation: [
    {
      section: "servers",
      order: 5,
      label: "frame.nav.jobs",
      icon: IconCalculator,
      scope: "project",
      path: "jobs",
      requires: "viewer",
    },
  ],
  events: {
    "compute.job.changed": ["jobList", "jobGet"],
    "compute.task.changed": ["taskList", "jobGet", "jobList"],
  },
  search: async (words, { project, address }) => {
    if (!project) return [];
    const { items } = await callApi("jobList", { project: project.id as never, search: words.slice(0, 63), limit: 8 });
    return items.map(({ id, name }) => ({ id, label: name, icon: IconCalculator, to: address("project", `jobs/${id}`) }));
  },
});

export default pages;
