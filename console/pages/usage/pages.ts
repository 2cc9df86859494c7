import { IconChartHistogram } from "@tabler/icons-react";
import { servicePages } from "../../frame/registry.ts";

export default servicePages({
  pages: [
    { scope: "organisation", path: "usage", title: "frame.nav.usage", load: () => import("./UsagePage.tsx"), areas: ["usage"] },
  ],
  navigation: [
    {
      section: "organisation",
      order: 20,
      label: "frame.nav.usage",
      icon: IconChartHistogram,
      scope: "organisation",
      path: "usage",
    },
  ],
});
