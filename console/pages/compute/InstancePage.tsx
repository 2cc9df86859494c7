import { Alert } from "@mantine/core";
import { useNavigate, useParams } from "@tanstack/react-router";
import { type ComponentType, lazy, Suspense, useState } from "react";
import type { Instance } from "../../../services/compute/instances/contract.ts";
import { useApi } from "../../api/api.ts";
import { projectAddress } from "../../frame/address.ts";
import { useCan, useOrganisation, useProject } from "../../frame/identity.ts";
import { NotFoundPage } from "../../frame/NotFoundPage.tsx";
import { useT } from "../../i18n/i18n.ts";
import { ErrorPage } from "../../ui/ErrorPage.tsx";
import { PageHeader } from "../../ui/PageHeader.tsx";
import { PageSkeleton } from "../../ui/PageSkeleton.tsx";
import { StatusBadge } from "../../ui/StatusBadge.tsx";
import { InstanceButtons } from "./InstanceButtons.tsx";
import { InstanceDelete } from "./InstanceDelete.tsx";
import { InstanceOverview } from "./InstanceOverview.tsx";
import { WorkInProgress } from "./WorkInProgress.tsx";
import { instanceTones } from "./words.ts";

export interface InstanceTabProps {
  instance: Instance;
  /** The address of the instance's page. */
  here: string;
  /** Whether the person may change it. */
  may: boolean;
}

const tabs = ["overview", "terminal", "disks", "network", "metrics", "activity", "settings"] as const;
type Tab = (typeof tabs)[number];

// What is heavy or rarely looked at comes when it is opened.
type Content = ComponentType<InstanceTabProps>;
const contents: Record<Exclude<Tab, "overview">, Content> = {
  terminal: lazy(() => import("./InstanceTerminal.tsx")),
  disks: lazy(() => import("./InstanceDisks.tsx")),
  network: lazy(() => import("./InstanceNetwork.tsx")),
  metrics: lazy(() => import("./InstanceMetrics.tsx")),
  activity: lazy(() => import("./InstanceActivity.tsx")),
  settings: lazy(() => import("./InstanceSettings.tsx")),
};

export default function InstancePage() {
  const t = useT();
  const navigate = useNavigate();
  const params = useParams({ strict: false }) as { instance: string; tab?: string };
  const organisation = useOrganisation();
  const project = useProject();
  const may = useCan()("editor");
  const [removing, setRemoving] = useState(false);
  const query = useApi("instanceGet", { instance: params.instance as never });
  const tab: Tab = tabs.find((one) => one === params.tab) ?? "overview";
  const home = projectAddress(organisation.slug, project.slug, "instances");
  const here = `${home}/${params.instance}`;
  if (query.error && !query.data) return <ErrorPage error={query.error} reset={() => void query.refetch()} />;
  if (!query.data) return <PageSkeleton />;
  const instance = query.data;
  // What surrounds it would be another project's.
  if (instance.projectId !== project.id) return <NotFoundPage />;
  const Content = tab === "overview" ? undefined : contents[tab];
  return (
    <>
      <PageHeader
        title={instance.name}
        badge={<StatusBadge tone={instanceTones[instance.state]}>{t(`compute.state.${instance.state}`)}</StatusBadge>}
        text={instance.description || undefined}
        back={{ to: home, label: t("compute.instances") }}
        tabs={tabs.map((one) => ({
          to: one === "overview" ? here : `${here}/${one}`,
          label: t(`compute.tab.${one}`),
          active: one === tab,
        }))}
        actions={<InstanceButtons instance={instance} here={here} may={may} onDelete={() => setRemoving(true)} />}
      />
      <WorkInProgress
        operationId={instance.operationId}
        problem={
          instance.stateReason && { title: t(`compute.state.${instance.state}`), text: instance.stateReason, of: instance.id }
        }
        refresh={["instanceGet", "instanceList"]}
      />
      {instance.restartNeeded && (
        <Alert color="yellow" mb="lg">
          {t("compute.restartNeeded")}
        </Alert>
      )}
      {Content ? (
        <Suspense fallback={<PageSkeleton />}>
          <Content instance={instance} here={here} may={may} />
        </Suspense>
      ) : (
        <InstanceOverview instance={instance} here={here} may={may} />
      )}
      {removing && (
        <InstanceDelete instances={[instance]} onClose={() => setRemoving(false)} onGone={() => void navigate({ to: home })} />
      )}
    </>
  );
}
