import { IconBell } from "@tabler/icons-react";
import { type ServicePages, servicePages } from "../../frame/registry.ts";

const pages: ServicePages = servicePages({
  pages: [
    { scope: "project", path: "alerts", title: "frame.nav.alerts", load: () => import("./AlertsPage.tsx"), areas: ["watch"] },
  ],
  navigation: [
    {
      section: "servers",
      order: 6,
      label: "frame.nav.alerts",
      icon: IconBell,
      scope: "project",
      path: "alerts",
      requires: "viewer",
    },
  ],
  events: {
    "compute.alert_rule.changed": ["alertRuleList"],
    "compute.alert.changed": ["alertList", "alertRuleList"],
  },
});

export default pages;
