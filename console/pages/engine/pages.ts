import { servicePages } from "../../frame/registry.ts";

const areas = ["cloud", "engine", "compute", "watch"] as const;

export default servicePages({
  pages: [
    { scope: "cloud", path: "engine", title: "cloud.engine", load: () => import("./EnginePage.tsx"), areas },
    { scope: "cloud", path: "sizes", title: "cloud.sizes", load: () => import("./SizesPage.tsx"), areas },
    { scope: "cloud", path: "address-pools", title: "cloud.pools", load: () => import("./AddressPoolsPage.tsx"), areas },
  ],
  events: {
    "compute.engine_member.changed": ["engineMemberList", "engineGet"],
    "compute.difference.changed": ["differenceList"],
  },
});
