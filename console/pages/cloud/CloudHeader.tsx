import { useLocation } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { useT } from "../../i18n/i18n.ts";
import { PageHeader } from "../../ui/PageHeader.tsx";

export function CloudHeader({ actions }: { actions?: ReactNode }) {
  const t = useT();
  const { pathname } = useLocation();
  const tab = (to: string, label: string) => ({ to, label, active: pathname.replace(/\/$/, "") === to });
  return (
    <PageHeader
      title={t("cloud.title")}
      text={t("cloud.text")}
      actions={actions}
      tabs={[
        tab("/cloud", t("cloud.settings")),
        tab("/cloud/organisations", t("cloud.organisations")),
        tab("/cloud/people", t("cloud.people")),
        tab("/cloud/engine", t("cloud.engine")),
        tab("/cloud/app-engine", t("cloud.appEngine")),
        tab("/cloud/phones", t("cloud.phones")),
        tab("/cloud/sizes", t("cloud.sizes")),
        tab("/cloud/address-pools", t("cloud.pools")),
      ]}
    />
  );
}
