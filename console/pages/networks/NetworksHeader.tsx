import type { ReactNode } from "react";
import { projectAddress } from "../../frame/address.ts";
import { useOrganisation, useProject } from "../../frame/identity.ts";
import { useT } from "../../i18n/i18n.ts";
import { PageHeader } from "../../ui/PageHeader.tsx";

const tabs = ["networks", "security-groups", "addresses", "port-forwards", "load-balancers"] as const;
export type NetworksTab = (typeof tabs)[number];

export function NetworksHeader({ tab, actions }: { tab: NetworksTab; actions?: ReactNode }) {
  const t = useT();
  const organisation = useOrganisation();
  const project = useProject();
  return (
    <PageHeader
      title={t("frame.nav.networks")}
      text={t(`networks.text.${tab}`)}
      actions={actions}
      tabs={tabs.map((one) => ({
        to: projectAddress(organisation.slug, project.slug, one),
        label: t(`networks.tab.${one}`),
        active: one === tab,
      }))}
    />
  );
}
