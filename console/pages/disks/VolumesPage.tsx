import { Button } from "@mantine/core";
import { IconPlugConnected, IconPlugConnectedX, IconPlus, IconTrash } from "@tabler/icons-react";
import { useState } from "react";
import type { Volume } from "../../../services/compute/volumes/contract.ts";
import { useApiList } from "../../api/api.ts";
import { projectAddress } from "../../frame/address.ts";
import { useCan, useOrganisation, useProject } from "../../frame/identity.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { useAddressFlag } from "../../ui/addressFlag.ts";
import { EmptyState } from "../../ui/EmptyState.tsx";
import { DataList } from "../../ui/list/DataList.tsx";
import { useListState } from "../../ui/list/state.ts";
import { StatusBadge } from "../../ui/StatusBadge.tsx";
import { TimeAgo } from "../../ui/TimeAgo.tsx";
import { DisksHeader } from "./DisksHeader.tsx";
import { VolumeCreate } from "./VolumeCreate.tsx";
import { VolumeAttach, VolumeDelete, VolumeDetach } from "./VolumeDialogs.tsx";
import { volumeTones, whyNotVolume } from "./words.ts";

export default function VolumesPage() {
  const t = useT();
  const format = useFormat();
  const organisation = useOrganisation();
  const project = useProject();
  const may = useCan()("editor");
  const { words } = useListState();
  const [creating, setCreating] = useAddressFlag("new");
  const [dialog, setDialog] = useState<{ volume: Volume; kind: "attach" | "detach" | "delete" }>();
  const volumes = useApiList("volumeList", { project: project.id, ...(words ? { search: words } : {}) });
  const here = projectAddress(organisation.slug, project.slug, "volumes");
  const create = may ? (
    <Button leftSection={<IconPlus size={16} aria-hidden />} onClick={() => setCreating(true)}>
      {t("disks.volume.create")}
    </Button>
  ) : undefined;
  return (
    <>
      <DisksHeader tab="volumes" actions={create} />
      <DataList
        id="volumes"
        label={t("disks.volumes")}
        list={volumes}
        rowKey={({ id }) => id}
        rowName={({ name }) => name}
        rowAddress={({ id }) => `${here}/${id}`}
        search="server"
        columns={[
          {
            key: "name",
            header: t("ui.name"),
            primary: true,
            width: "minmax(160px, 2fr)",
            cell: ({ name }) => name,
            sort: ({ name }) => name,
          },
          {
            key: "state",
            header: t("disks.state"),
            width: "minmax(120px, 160px)",
            phone: "bare",
            cell: ({ state }) => <StatusBadge tone={volumeTones[state]}>{t(`disks.state.${state}`)}</StatusBadge>,
            sort: ({ state }) => state,
          },
          {
            key: "size",
            header: t("disks.size"),
            align: "right",
            width: "minmax(96px, 130px)",
            cell: ({ sizeBytes }) => format.memory(sizeBytes),
            sort: ({ sizeBytes }) => sizeBytes,
          },
          {
            key: "used",
            header: t("disks.used"),
            align: "right",
            width: "minmax(96px, 130px)",
            cell: ({ usedBytes }) => (usedBytes === undefined ? "–" : format.memory(usedBytes)),
            sort: ({ usedBytes }) => usedBytes ?? 0,
          },
          {
            key: "attached",
            header: t("disks.attachedTo"),
            width: "minmax(160px, 2fr)",
            cell: ({ attachment }) => (attachment ? `${attachment.instanceName} · ${attachment.path}` : "–"),
          },
          {
            key: "created",
            header: t("ui.created"),
            cell: ({ createdAt }) => <TimeAgo at={createdAt} />,
            sort: ({ createdAt }) => createdAt,
          },
        ]}
        {...(may
          ? {
              rowActions: (volume: Volume) => [
                volume.attachment
                  ? {
                      label: t("disks.detach"),
                      icon: IconPlugConnectedX,
                      disabledReason: whyNotVolume(volume, "detach", may),
                      onClick: () => setDialog({ volume, kind: "detach" }),
                    }
                  : {
                      label: t("disks.attach"),
                      icon: IconPlugConnected,
                      disabledReason: whyNotVolume(volume, "attach", may),
                      onClick: () => setDialog({ volume, kind: "attach" }),
                    },
                {
                  label: t("disks.volume.delete"),
                  icon: IconTrash,
                  danger: true,
                  disabledReason: whyNotVolume(volume, "delete", may),
                  onClick: () => setDialog({ volume, kind: "delete" }),
                },
              ],
            }
          : {})}
        empty={
          <EmptyState
            picture="disk"
            title={t("disks.volumes.empty")}
            text={t("disks.volumes.emptyText")}
            action={create}
            command={may ? "khmara volume create data --size-bytes 20GiB" : undefined}
          />
        }
      />
      {creating && <VolumeCreate onClose={() => setCreating(false)} />}
      {dialog?.kind === "attach" && <VolumeAttach volume={dialog.volume} onClose={() => setDialog(undefined)} />}
      {dialog?.kind === "detach" && <VolumeDetach volume={dialog.volume} onClose={() => setDialog(undefined)} />}
      {dialog?.kind === "delete" && <VolumeDelete volume={dialog.volume} onClose={() => setDialog(undefined)} />}
    </>
  );
}
