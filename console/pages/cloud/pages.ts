import { servicePages } from "../../frame/registry.ts";

const areas = ["cloud"] as const;

export default servicePages({
  pages: [
    { scope: "cloud", path: "", title: "cloud.settings", load: () => import("./CloudSettingsPage.tsx"), areas },
    { scope: "cloud", path: "organisations", title: "cloud.organisations", load: () => import("./OrganisationsPage.tsx"), areas },
    { scope: "cloud", path: "people", title: "cloud.people", load: () => import("./UsersPage.tsx"), areas },
    { scope: "cloud", path: "phones", title: "cloud.phones", load: () => import("./PhonesPage.tsx"), areas },
  ],
});
