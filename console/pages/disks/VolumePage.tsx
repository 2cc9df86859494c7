import { ActionIcon, Button, Menu, Tooltip } from "@mantine/core";
import { IconArrowsMaximize, IconDots, IconPlugConnected, IconPlugConnectedX, IconTrash } from "@tabler/icons-react";
import { Link, useNavigate, useParams } from "@tanstack/react-router";
import { useState } from "react";
import { useApi } from "../../api/api.ts";
import { projectAddress } from "../../frame/address.ts";
import { useCan, useOrganisation, useProject } from "../../frame/identity.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { CopyField } from "../../ui/CopyField.tsx";
import { ErrorPage } from "../../ui/ErrorPage.tsx";
import { PageHeader } from "../../ui/PageHeader.tsx";
import { PageSkeleton } from "../../ui/PageSkeleton.tsx";
import { Facts, Section } from "../../ui/Section.tsx";
import { StatusBadge } from "../../ui/StatusBadge.tsx";
import { TimeAgo } from "../../ui/TimeAgo.tsx";
import { WorkInProgress } from "../compute/WorkInProgress.tsx";
import { Backups } from "./Backups.tsx";
import { Schedules } from "./Schedules.tsx";
import { Snapshots } from "./Snapshots.tsx";
import { VolumeAttach, VolumeDelete, VolumeDetach, VolumeResize } from "./VolumeDialogs.tsx";
import { volumeTones, whyNotVolume } from "./words.ts";

export default function VolumePage() {
  const t = useT();
  const format = useFormat();
  const navigate = useNavigate();
  const { volume: id } = useParams({ strict: false }) as { volume: string };
  const organisation = useOrganisation();
  const project = useProject();
  const may = useCan()("editor");
  const query = useApi("volumeGet", { volume: id as never });
  const [dialog, setDialog] = useState<"attach" | "detach" | "resize" | "delete">();
  const home = projectAddress(organisation.slug, project.slug, "volumes");
  if (query.error && !query.data) return <ErrorPage error={query.error} reset={() => void query.refetch()} />;
  const volume = query.data;
  if (!volume) return <PageSkeleton />;
  const main = volume.attachment ? "detach" : "attach";
  const mainReason = whyNotVolume(volume, main, may);
  const close = () => setDialog(undefined);
  return (
    <>
      <PageHeader
        title={volume.name}
        badge={<StatusBadge tone={volumeTones[volume.state]}>{t(`disks.state.${volume.state}`)}</StatusBadge>}
        text={volume.description || undefined}
        back={{ to: home, label: t("disks.volumes") }}
        actions={
          <>
            <Tooltip label={mainReason} disabled={mainReason === undefined}>
              <Button
                variant="default"
                leftSection={
                  volume.attachment ? <IconPlugConnectedX size={16} aria-hidden /> : <IconPlugConnected size={16} aria-hidden />
                }
                {...(mainReason === undefined ? {} : { "data-disabled": true, "aria-disabled": true })}
                onClick={() => mainReason === undefined && setDialog(main)}
              >
                {t(`disks.${main}`)}
              </Button>
            </Tooltip>
            <Menu position="bottom-end" width={220}>
              <Menu.Target>
                <ActionIcon variant="default" size={36} aria-label={t("ui.actionsFor", { name: volume.name })}>
                  <IconDots size={18} aria-hidden />
                </ActionIcon>
              </Menu.Target>
              <Menu.Dropdown>
                <Menu.Item
                  leftSection={<IconArrowsMaximize size={16} aria-hidden />}
                  disabled={whyNotVolume(volume, "resize", may) !== undefined}
                  onClick={() => setDialog("resize")}
                >
                  {t("disks.resize")}
                </Menu.Item>
                <Tooltip
                  label={whyNotVolume(volume, "delete", may)}
                  disabled={whyNotVolume(volume, "delete", may) === undefined}
                  position="left"
                >
                  <Menu.Item
                    c="var(--k-bad)"
                    leftSection={<IconTrash size={16} aria-hidden />}
                    disabled={whyNotVolume(volume, "delete", may) !== undefined}
                    onClick={() => setDialog("delete")}
                    style={{ pointerEvents: "auto" }}
                  >
                    {t("disks.volume.delete")}
                  </Menu.Item>
                </Tooltip>
              </Menu.Dropdown>
            </Menu>
          </>
        }
      />
      <WorkInProgress
        operationId={volume.operationId}
        problem={volume.stateReason && { title: t(`disks.state.${volume.state}`), text: volume.stateReason, of: volume.id }}
        refresh={["volumeGet", "volumeList", "snapshotList", "backupList"]}
      />
      <Section title={t("disks.about")}>
        <Facts
          items={[
            [t("disks.size"), format.memory(volume.sizeBytes)],
            [t("disks.used"), volume.usedBytes === undefined ? "–" : format.memory(volume.usedBytes)],
            [
              t("disks.attachedTo"),
              volume.attachment ? (
                <Link
                  key="instance"
                  to={projectAddress(organisation.slug, project.slug, `instances/${volume.attachment.instanceId}`)}
                >
                  {volume.attachment.instanceName}
                </Link>
              ) : (
                "–"
              ),
            ],
            ...(volume.attachment
              ? [[t("disks.path"), <CopyField key="path" value={volume.attachment.path} />] as [string, React.ReactNode]]
              : []),
            [t("ui.created"), <TimeAgo key="created" at={volume.createdAt} />],
            [t("disks.id"), <CopyField key="id" value={volume.id} />],
          ]}
        />
      </Section>
      <Snapshots disk={{ volume: volume.id }} name={volume.name} may={may} running={volume.attachment !== undefined} />
      <Schedules disk={{ volume: volume.id }} may={may} />
      <Backups disk={{ volume: volume.id }} may={may} />
      {dialog === "attach" && <VolumeAttach volume={volume} onClose={close} />}
      {dialog === "detach" && <VolumeDetach volume={volume} onClose={close} />}
      {dialog === "resize" && <VolumeResize volume={volume} onClose={close} />}
      {dialog === "delete" && <VolumeDelete volume={volume} onClose={close} onGone={() => void navigate({ to: home })} />}
    </>
  );
}
