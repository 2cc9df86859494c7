import { Button } from "@mantine/core";
import { IconPlugConnectedX, IconPlus } from "@tabler/icons-react";
import { useState } from "react";
import type { Volume } from "../../../services/compute/volumes/contract.ts";
import { useApiList } from "../../api/api.ts";
import { projectAddress } from "../../frame/address.ts";
import { useOrganisation, useProject } from "../../frame/identity.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { EmptyState } from "../../ui/EmptyState.tsx";
import { DataList } from "../../ui/list/DataList.tsx";
import { Facts, Section } from "../../ui/Section.tsx";
import { StatusBadge } from "../../ui/StatusBadge.tsx";
import { Backups } from "../disks/Backups.tsx";
import { Schedules } from "../disks/Schedules.tsx";
import { Snapshots } from "../disks/Snapshots.tsx";
import { VolumeCreate } from "../disks/VolumeCreate.tsx";
import { VolumeDetach } from "../disks/VolumeDialogs.tsx";
import { volumeTones, whyNotVolume } from "../disks/words.ts";
import type { InstanceTabProps } from "./InstancePage.tsx";

/** The root disk, what is attached beside it, and what is kept against loss. */
export default function InstanceDisks({ instance, may }: InstanceTabProps) {
  const t = useT();
  const format = useFormat();
  const organisation = useOrganisation();
  const project = useProject();
  const volumes = useApiList("volumeList", { project: project.id, instance: instance.id });
  const [creating, setCreating] = useState(false);
  const [detaching, setDetaching] = useState<Volume>();
  const create =
    may && instance.allowedActions.includes("attachVolume") ? (
      <Button size="xs" variant="default" leftSection={<IconPlus size={14} aria-hidden />} onClick={() => setCreating(true)}>
        {t("disks.volume.create")}
      </Button>
    ) : undefined;
  return (
    <>
      <Section title={t("disks.root")} text={t("disks.rootText")}>
        <Facts items={[[t("disks.size"), format.memory(instance.diskBytes)]]} />
      </Section>
      <Section title={t("disks.volumes")} text={t("disks.volumes.text")} actions={create} flush>
        <DataList
          id="instance-volumes"
          label={t("disks.volumes")}
          list={volumes}
          rowKey={({ id }) => id}
          rowName={({ name }) => name}
          rowAddress={({ id }) => projectAddress(organisation.slug, project.slug, `volumes/${id}`)}
          columns={[
            { key: "name", header: t("ui.name"), primary: true, width: "minmax(160px, 2fr)", cell: ({ name }) => name },
            {
              key: "state",
              header: t("disks.state"),
              phone: "bare",
              cell: ({ state }) => <StatusBadge tone={volumeTones[state]}>{t(`disks.state.${state}`)}</StatusBadge>,
            },
            { key: "path", header: t("disks.path"), cell: ({ attachment }) => <code>{attachment?.path ?? "–"}</code> },
            { key: "size", header: t("disks.size"), align: "right", cell: ({ sizeBytes }) => format.memory(sizeBytes) },
          ]}
          {...(may
            ? {
                rowActions: (volume: Volume) => [
                  {
                    label: t("disks.detach"),
                    icon: IconPlugConnectedX,
                    disabledReason: whyNotVolume(volume, "detach", may),
                    onClick: () => setDetaching(volume),
                  },
                ],
              }
            : {})}
          empty={
            <EmptyState picture="disk" title={t("disks.volumes.none")} text={t("disks.volumes.emptyText")} action={create} />
          }
        />
      </Section>
      <Snapshots disk={{ instance: instance.id }} name={instance.name} may={may} running={instance.state === "running"} />
      <Schedules disk={{ instance: instance.id }} may={may} />
      <Backups disk={{ instance: instance.id }} may={may} />
      {creating && <VolumeCreate instance={instance.id} onClose={() => setCreating(false)} />}
      {detaching && <VolumeDetach volume={detaching} onClose={() => setDetaching(undefined)} />}
    </>
  );
}
