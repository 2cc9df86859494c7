import { useLocation } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { organisationAddress } from "../../frame/address.ts";
import { useCan, useOrganisation } from "../../frame/identity.ts";
import { useT } from "../../i18n/i18n.ts";
import { PageHeader } from "../../ui/PageHeader.tsx";

export function PeopleHeader({ actions }: { actions?: ReactNode }) {
  const t = useT();
  const { slug, name } = useOrganisation();
  const admin = useCan("organisation")("admin");
  const { pathname } = useLocation();
  const tab = (path: string, label: string) => {
    const to = organisationAddress(slug, path);
    return { to, label, active: pathname === to };
  };
  return (
    <PageHeader
      title={t("people.title")}
      text={t("people.text", { organisation: name })}
      actions={actions}
      tabs={[
        tab("people", t("people.members")),
        ...(admin ? [tab("people/invitations", t("people.invitations"))] : []),
        tab("people/service-accounts", t("people.serviceAccounts")),
      ]}
    />
  );
}
