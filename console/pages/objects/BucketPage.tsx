import { ActionIcon, Menu } from "@mantine/core";
import { IconBrush, IconDots, IconTrash } from "@tabler/icons-react";
import { useNavigate, useParams } from "@tanstack/react-router";
import { lazy, Suspense, useEffect, useState } from "react";
import { useApi } from "../../api/api.ts";
import { projectAddress } from "../../frame/address.ts";
import { useCan, useOrganisation, useProject } from "../../frame/identity.ts";
import { useT } from "../../i18n/i18n.ts";
import { ErrorPage } from "../../ui/ErrorPage.tsx";
import { PageHeader } from "../../ui/PageHeader.tsx";
import { PageSkeleton } from "../../ui/PageSkeleton.tsx";
import { StatusBadge } from "../../ui/StatusBadge.tsx";
import { BucketDelete } from "./BucketDelete.tsx";
import { BucketOverview } from "./BucketOverview.tsx";
import { ConnectTab } from "./ConnectTab.tsx";
import { FilesTab } from "./FilesTab.tsx";
import { SharesTab } from "./SharesTab.tsx";
import { TrashTab } from "./TrashTab.tsx";
import { UploadsTab } from "./UploadsTab.tsx";
import { mountUploadTray } from "./uploadTrayRoot.tsx";

const BucketSettings = lazy(async () => ({ default: (await import("./settings/BucketSettings.tsx")).BucketSettings }));

const BackupsTab = lazy(async () => ({ default: (await import("./backups/BackupsTab.tsx")).BackupsTab }));

const tabs = ["files", "trash", "shares", "uploads", "backups", "connect", "overview", "settings"] as const;
type Tab = (typeof tabs)[number];

export default function BucketPage() {
  const t = useT();
  const navigate = useNavigate();
  const params = useParams({ strict: false }) as { bucket: string; tab?: string };
  const organisation = useOrganisation();
  const project = useProject();
  const readOnly = !useCan()("editor");
  const bucket = useApi("bucketGet", { bucket: params.bucket });
  const [removing, setRemoving] = useState<"delete" | "empty">();
  const tab: Tab = tabs.find((one) => one === params.tab) ?? "files";
  const home = projectAddress(organisation.slug, project.slug, "buckets");
  const here = `${home}/${params.bucket}`;

  useEffect(mountUploadTray, []);

  if (bucket.error && !bucket.data) return <ErrorPage error={bucket.error} reset={() => void bucket.refetch()} />;
  if (!bucket.data) return <PageSkeleton />;
  const data = bucket.data;
  const labels: Record<Tab, string> = {
    files: t("objects.tab.files"),
    trash: t("objects.tab.trash"),
    shares: t("objects.tab.shares"),
    uploads: t("objects.tab.uploads"),
    backups: t("bucketBackups.tab"),
    connect: t("objects.tab.connect"),
    overview: t("objects.tab.overview"),
    settings: t("bucketSettings.tab"),
  };
  return (
    <>
      <PageHeader
        title={data.name}
        badge={data.publicReach === "bucket" ? <StatusBadge tone="warn">{t("objects.bucket.public")}</StatusBadge> : undefined}
        back={{ to: home, label: t("objects.buckets") }}
        tabs={tabs.map((one) => ({ to: one === "files" ? here : `${here}/${one}`, label: labels[one], active: one === tab }))}
        actions={
          readOnly ? undefined : (
            <Menu position="bottom-end" width={220}>
              <Menu.Target>
                <ActionIcon variant="default" size={36} aria-label={t("ui.actionsFor", { name: data.name })}>
                  <IconDots size={18} aria-hidden />
                </ActionIcon>
              </Menu.Target>
              <Menu.Dropdown>
                <Menu.Item
                  leftSection={<IconBrush size={16} aria-hidden />}
                  disabled={data.objects + data.trashObjects + data.uploadBytes === 0}
                  onClick={() => setRemoving("empty")}
                >
                  {t("objects.bucket.emptyIt")}
                </Menu.Item>
                <Menu.Item
                  color="red"
                  c="var(--k-bad)"
                  leftSection={<IconTrash size={16} aria-hidden />}
                  onClick={() => setRemoving("delete")}
                >
                  {t("objects.bucket.delete")}
                </Menu.Item>
              </Menu.Dropdown>
            </Menu>
          )
        }
      />
      {tab === "files" && <FilesTab bucket={data} readOnly={readOnly} />}
      {tab === "trash" && <TrashTab bucket={data} readOnly={readOnly} />}
      {tab === "shares" && <SharesTab bucket={data} readOnly={readOnly} />}
      {tab === "uploads" && <UploadsTab bucket={data} readOnly={readOnly} />}
      {tab === "connect" && <ConnectTab bucket={data} />}
      {tab === "overview" && <BucketOverview bucket={data} here={here} />}
      {tab === "backups" && (
        <Suspense fallback={<PageSkeleton />}>
          <BackupsTab bucket={data} readOnly={readOnly} />
        </Suspense>
      )}
      {tab === "settings" && (
        <Suspense fallback={<PageSkeleton />}>
          <BucketSettings bucket={data} readOnly={readOnly} />
        </Suspense>
      )}
      <BucketDelete
        bucket={data}
        mode={removing}
        onClose={() => setRemoving(undefined)}
        onGone={() => void navigate({ to: home })}
      />
    </>
  );
}
