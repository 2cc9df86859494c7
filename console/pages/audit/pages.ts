import { IconListSearch } from "@tabler/icons-react";
import { servicePages } from "../../frame/registry.ts";

export default servicePages({
  pages: [
    { scope: "organisation", path: "audit", title: "frame.nav.audit", load: () => import("./AuditPage.tsx"), areas: ["audit"] },
  ],
  navigation: [
    {
      section: "organisation",
      order: 40,
      label: "frame.nav.audit",
      icon: IconListSearch,
      scope: "organisation",
      path: "audit",
      requires: "admin",
    },
  ],
  // Whatever is told of has changed something, and every change writes an entry.
  events: Object.fromEntries(
    [
      "objects.bucket.changed",
      "objects.object.changed",
      "identity.organisation.changed",
      "identity.project.changed",
      "identity.member.changed",
      "identity.credential.changed",
      "operations.operation.changed",
    ].map((type) => [type, ["auditEntryList" as const]]),
  ),
});
