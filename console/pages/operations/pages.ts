import { IconProgress } from "@tabler/icons-react";
import { servicePages } from "../../frame/registry.ts";

const areas = ["operations"] as const;

export default servicePages({
  pages: [
    {
      scope: "organisation",
      path: "operations",
      title: "frame.nav.operations",
      load: () => import("./OperationsPage.tsx"),
      areas,
    },
    {
      scope: "organisation",
      path: "operations/$operation",
      title: "operations.one",
      load: () => import("./OperationPage.tsx"),
      areas,
    },
  ],
  navigation: [
    {
      section: "organisation",
      order: 50,
      label: "frame.nav.operations",
      icon: IconProgress,
      scope: "organisation",
      path: "operations",
      requires: "viewer",
    },
  ],
  events: { "operations.operation.changed": ["operationList", "operationGet"] },
});
