import { servicePages } from "../../frame/registry.ts";

const areas = ["account"] as const;

export default servicePages({
  pages: [
    { scope: "account", path: "", title: "account.profile", load: () => import("./ProfilePage.tsx"), areas },
    { scope: "account", path: "security", title: "account.security", load: () => import("./SecurityPage.tsx"), areas },
  ],
});
