import { servicePages } from "../../frame/registry.ts";

const areas = ["overview"] as const;

export default servicePages({
  pages: [
    { scope: "organisation", path: "", title: "frame.overview", load: () => import("./OrganisationOverviewPage.tsx"), areas },
    { scope: "project", path: "", title: "frame.overview", load: () => import("./ProjectOverviewPage.tsx"), areas },
  ],
});
