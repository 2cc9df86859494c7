import type { ReactNode } from "react";
import { projectAddress } from "../../frame/address.ts";
import { useOrganisation, useProject } from "../../frame/identity.ts";
import { useT } from "../../i18n/i18n.ts";
import { PageHeader } from "../../ui/PageHeader.tsx";

/** The two lists of disks: what is in use, and what is kept against loss. */
export function DisksHeader({ tab, actions }: { tab: "volumes" | "backups"; actions?: ReactNode }) {
  const t = useT();
  const organisation = useOrganisation();
  const project = useProject();
  const at = (path: string) => projectAddress(organisation.slug, project.slug, path);
  return (
    <PageHeader
      title={t("frame.nav.disks")}
      text={t(tab === "volumes" ? "disks.volumes.text" : "disks.backups.text")}
      actions={actions}
      tabs={[
        { to: at("volumes"), label: t("disks.volumes"), active: tab === "volumes" },
        { to: at("backups"), label: t("disks.backups"), active: tab === "backups" },
      ]}
    />
  );
}
