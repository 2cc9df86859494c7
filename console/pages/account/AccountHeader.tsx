import { useLocation } from "@tanstack/react-router";
import { useIdentity } from "../../frame/identity.ts";
import { useT } from "../../i18n/i18n.ts";
import { PageHeader } from "../../ui/PageHeader.tsx";

export function AccountHeader() {
  const t = useT();
  const { user, principal } = useIdentity();
  const { pathname } = useLocation();
  const tab = (to: string, label: string) => ({ to, label, active: pathname.replace(/\/$/, "") === to });
  return (
    <PageHeader
      title={t("account.title")}
      text={user?.email ?? principal.name}
      tabs={[
        tab("/account", t("account.profile")),
        tab("/account/security", t("account.security")),
        tab("/account/tokens", t("account.tokens")),
      ]}
    />
  );
}
