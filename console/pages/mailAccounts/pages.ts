import { IconMail } from "@tabler/icons-react";
import { type ServicePages, servicePages } from "../../frame/registry.ts";

const pages: ServicePages = servicePages({
  pages: [
    {
      scope: "project",
      path: "mail-accounts",
      title: "frame.nav.mailAccounts",
      load: () => import("./MailAccountsPage.tsx"),
      areas: ["mailAccounts"],
    },
  ],
  navigation: [
    {
      section: "apps",
      order: 4,
      label: "frame.nav.mailAccounts",
      icon: IconMail,
      scope: "project",
      path: "mail-accounts",
      requires: "viewer",
    },
  ],
  events: { "apps.mail_account.changed": ["mailAccountList", "mailAccountGet", "quotaList"] },
});

export default pages;
