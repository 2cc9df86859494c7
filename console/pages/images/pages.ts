import { IconDisc } from "@tabler/icons-react";
import { type ServicePages, servicePages } from "../../frame/registry.ts";

const pages: ServicePages = servicePages({
  pages: [
    {
      scope: "project",
      path: "images",
      title: "frame.nav.images",
      load: () => import("./ImagesPage.tsx"),
      areas: ["images", "compute"],
    },
  ],
  navigation: [
    {
      section: "servers",
      order: 2,
      label: "frame.nav.images",
      icon: IconDisc,
      scope: "project",
      path: "images",
      requires: "viewer",
    },
  ],
  events: { "compute.image.changed": ["imageList", "imageGet", "engineGet", "operationList"] },
});

export default pages;
