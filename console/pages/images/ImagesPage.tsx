import { Button, Menu } from "@mantine/core";
import {
  IconChevronDown,
  IconCloudDownload,
  IconDownload,
  IconHammer,
  IconPencil,
  IconServer,
  IconShare,
  IconTrash,
  IconUpload,
} from "@tabler/icons-react";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import type { Image, ImageState } from "../../../services/compute/images/contract.ts";
import { callApi, invalidate, useApiList } from "../../api/api.ts";
import { projectAddress } from "../../frame/address.ts";
import { useCan, useOrganisation, useProject } from "../../frame/identity.ts";
import { queries } from "../../frame/queries.ts";
import { Reasoned } from "../../frame/Reasoned.tsx";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { ConfirmDestroy } from "../../ui/ConfirmDestroy.tsx";
import { EmptyState } from "../../ui/EmptyState.tsx";
import { DataList } from "../../ui/list/DataList.tsx";
import { PageHeader } from "../../ui/PageHeader.tsx";
import { StatusBadge, type Tone } from "../../ui/StatusBadge.tsx";
import { TimeAgo } from "../../ui/TimeAgo.tsx";
import { EngineNotice } from "../compute/EngineNotice.tsx";
import { ImageBuild, ImageEdit, ImageFetch, ImageShare, ImageUpload } from "./ImageDialogs.tsx";

const tones: Record<ImageState, Tone> = { building: "busy", importing: "busy", ready: "good", deleting: "busy", error: "bad" };
type Making = "build" | "fetch" | "upload";

export default function ImagesPage() {
  const t = useT();
  const format = useFormat();
  const navigate = useNavigate();
  const organisation = useOrganisation();
  const project = useProject();
  const may = useCan()("editor");
  const [making, setMaking] = useState<Making>();
  const [dialog, setDialog] = useState<{ image: Image; kind: "edit" | "share" | "delete" }>();
  const images = useApiList("imageList", { project: project.id });
  const close = () => setDialog(undefined);
  const create = may ? (
    <Menu position="bottom-end" width={300}>
      <Menu.Target>
        <Button rightSection={<IconChevronDown size={16} aria-hidden />}>{t("images.create")}</Button>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item leftSection={<IconHammer size={16} aria-hidden />} onClick={() => setMaking("build")}>
          {t("images.build")}
        </Menu.Item>
        <Menu.Item leftSection={<IconCloudDownload size={16} aria-hidden />} onClick={() => setMaking("fetch")}>
          {t("images.fetch")}
        </Menu.Item>
        <Menu.Item leftSection={<IconUpload size={16} aria-hidden />} onClick={() => setMaking("upload")}>
          {t("images.upload")}
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  ) : undefined;
  const reason = (image: Image, action: Image["allowedActions"][number]) =>
    image.allowedActions.includes(action) ? undefined : t("images.why");
  return (
    <>
      <PageHeader title={t("frame.nav.images")} text={t("images.text")} actions={create} />
      <EngineNotice />
      <DataList
        id="images"
        label={t("frame.nav.images")}
        list={images}
        rowKey={({ id }) => id}
        rowName={({ name }) => name}
        search={({ name, description }) => `${name} ${description}`}
        columns={[
          {
            key: "name",
            header: t("ui.name"),
            primary: true,
            width: "minmax(180px, 2fr)",
            cell: ({ name, description }) => <span title={description}>{name}</span>,
            sort: ({ name }) => name,
          },
          {
            key: "state",
            header: t("images.state"),
            phone: "bare",
            cell: ({ id, state, stateReason }) => (
              <Reasoned of={id} reason={stateReason}>
                <StatusBadge tone={tones[state]}>{t(`images.state.${state}`)}</StatusBadge>
              </Reasoned>
            ),
          },
          {
            key: "whose",
            header: t("images.whose"),
            width: "minmax(168px, 1.2fr)",
            cell: ({ visibility, scope }) => t(scope === "cloud" ? "images.cloud" : `images.visibility.${visibility}`),
          },
          {
            key: "size",
            header: t("images.size"),
            align: "right",
            cell: ({ sizeBytes }) => (sizeBytes > 0 ? format.memory(sizeBytes) : "–"),
            sort: ({ sizeBytes }) => sizeBytes,
          },
          {
            key: "disk",
            header: t("images.minimumDisk"),
            align: "right",
            optional: true,
            cell: ({ minimumDiskBytes }) => format.memory(minimumDiskBytes),
          },
          { key: "user", header: t("images.user"), cell: ({ defaultUser }) => <code>{defaultUser}</code> },
          { key: "from", header: t("images.from"), optional: true, cell: ({ source }) => source.name },
          {
            key: "created",
            header: t("ui.created"),
            cell: ({ createdAt }) => <TimeAgo at={createdAt} />,
            sort: ({ createdAt }) => createdAt,
          },
        ]}
        {...(may
          ? {
              rowActions: (image: Image) => [
                {
                  label: t("images.use"),
                  icon: IconServer,
                  disabledReason: reason(image, "use"),
                  onClick: () =>
                    void navigate({
                      to: projectAddress(organisation.slug, project.slug, "instances/new"),
                      search: { image: image.id } as never,
                    }),
                },
                {
                  label: t("ui.edit"),
                  icon: IconPencil,
                  disabledReason: reason(image, "update"),
                  onClick: () => setDialog({ image, kind: "edit" }),
                },
                {
                  label: t("images.share"),
                  icon: IconShare,
                  disabledReason: reason(image, "share"),
                  onClick: () => setDialog({ image, kind: "share" }),
                },
                {
                  label: t("images.download"),
                  icon: IconDownload,
                  disabledReason: reason(image, "download"),
                  onClick: () => location.assign(`/api/v1/images/${image.id}/content`),
                },
                {
                  label: t("images.delete"),
                  icon: IconTrash,
                  danger: true,
                  disabledReason: reason(image, "delete"),
                  onClick: () => setDialog({ image, kind: "delete" }),
                },
              ],
            }
          : {})}
        empty={
          <EmptyState
            picture="image"
            title={t("images.empty")}
            text={t("images.emptyText")}
            action={create}
            command={may ? "khmara image build debian-12" : undefined}
          />
        }
      />
      {making === "build" && <ImageBuild onClose={() => setMaking(undefined)} />}
      {making === "fetch" && <ImageFetch onClose={() => setMaking(undefined)} />}
      {making === "upload" && <ImageUpload onClose={() => setMaking(undefined)} />}
      {dialog?.kind === "edit" && <ImageEdit image={dialog.image} onClose={close} />}
      {dialog?.kind === "share" && <ImageShare image={dialog.image} onClose={close} />}
      {dialog?.kind === "delete" && (
        <ConfirmDestroy
          opened
          onClose={close}
          title={t("images.deleteTitle", { name: dialog.image.name })}
          destroyed={[t("images.deleted", { size: format.memory(dialog.image.sizeBytes) })]}
          kept={[t("images.kept")]}
          typeName={dialog.image.name}
          action={t("images.delete")}
          onConfirm={async () => {
            await callApi("imageDelete", { image: dialog.image.id });
            await invalidate(queries, ["imageList"]);
          }}
        />
      )}
    </>
  );
}
