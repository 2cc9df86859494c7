import { IconDatabase } from "@tabler/icons-react";
import { callApi } from "../../api/api.ts";
import { type ServicePages, servicePages } from "../../frame/registry.ts";

const pages: ServicePages = servicePages({
  pages: [
    {
      scope: "project",
      path: "volumes",
      title: "frame.nav.disks",
      load: () => import("./VolumesPage.tsx"),
      areas: ["disks", "objects"],
    },
    {
      scope: "project",
      path: "volumes/$volume",
      title: "disks.volume",
      load: () => import("./VolumePage.tsx"),
      areas: ["disks", "operations", "objects"],
    },
    {
      scope: "project",
      path: "backups",
      title: "disks.backups",
      load: () => import("./BackupsPage.tsx"),
      areas: ["disks", "operations"],
    },
  ],
  navigation: [
    {
      section: "servers",
      order: 3,
      label: "frame.nav.disks",
      icon: IconDatabase,
      scope: "project",
      path: "volumes",
      requires: "viewer",
    },
  ],
  events: {
    "compute.volume.changed": ["volumeList", "volumeGet", "operationList"],
    "compute.snapshot.changed": ["snapshotList", "volumeGet", "operationList"],
    "compute.snapshot_schedule.changed": ["snapshotScheduleList"],
    "compute.backup.changed": ["backupList", "backupVerificationList", "operationList"],
  },
  search: async (words, { project, address }) => {
    if (!project) return [];
    const { items } = await callApi("volumeList", { project: project.id as never, search: words.slice(0, 63), limit: 8 });
    return items.map(({ id, name, attachment }) => ({
      id,
      label: name,
      ...(attachment ? { description: attachment.instanceName } : {}),
      icon: IconDatabase,
      to: address("project", `volumes/${id}`),
    }));
  },
});

export default pages;
