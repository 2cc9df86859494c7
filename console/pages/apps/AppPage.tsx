import { Alert, Modal } from "@mantine/core";
import { Link, useNavigate, useParams } from "@tanstack/react-router";
import { type ComponentType, lazy, Suspense } from "react";
import type { App } from "../../../services/apps/deploying/contract.ts";
import { useApi } from "../../api/api.ts";
import { projectAddress } from "../../frame/address.ts";
import { useCan, useOrganisation, useProject } from "../../frame/identity.ts";
import { NotFoundPage } from "../../frame/NotFoundPage.tsx";
import { useT } from "../../i18n/i18n.ts";
import { useAddressFlag } from "../../ui/addressFlag.ts";
import { ErrorPage } from "../../ui/ErrorPage.tsx";
import { PageHeader } from "../../ui/PageHeader.tsx";
import { PageSkeleton } from "../../ui/PageSkeleton.tsx";
import { AppButtons } from "./AppButtons.tsx";
import { AppEngineNotice, useWhyNotDeploy } from "./AppEngineNotice.tsx";
import { AppOverview } from "./AppOverview.tsx";
import { AppBadge } from "./AppsPage.tsx";
import css from "./apps.module.css";

export interface AppTabProps {
  app: App;
  /** The address of the app's page. */
  here: string;
  /** Whether the person may change it. */
  may: boolean;
}

/** What belongs together is behind one tab; who opens that sees the first of it. */
const groups = {
  overview: ["overview"],
  code: ["deployments", "releases", "images", "previews"],
  running: ["processes", "logs", "cron", "terminal"],
  configuration: ["variables", "links", "disks"],
  web: ["domains", "access"],
  manage: ["manage"],
} as const;
type Group = keyof typeof groups;
type Tab = (typeof groups)[Group][number];
const groupNames = Object.keys(groups) as Group[];
const tabs: readonly Tab[] = Object.values(groups).flat();
const groupOf = (tab: Tab): Group => groupNames.find((one) => groups[one].some((each) => each === tab)) ?? "overview";

// What is heavy or rarely looked at comes when it is opened.
type Content = ComponentType<AppTabProps>;
const contents: Record<Exclude<Tab, "overview">, Content> = {
  deployments: lazy(() => import("./AppDeployments.tsx")),
  releases: lazy(() => import("./AppReleases.tsx")),
  images: lazy(() => import("./AppImages.tsx")),
  previews: lazy(() => import("./AppPreviews.tsx")),
  variables: lazy(() => import("./AppVariables.tsx")),
  links: lazy(() => import("./AppLinks.tsx")),
  processes: lazy(() => import("./AppProcesses.tsx")),
  cron: lazy(() => import("./AppCron.tsx")),
  logs: lazy(() => import("./AppLogs.tsx")),
  domains: lazy(() => import("./AppDomains.tsx")),
  access: lazy(() => import("./AppAccess.tsx")),
  disks: lazy(() => import("./AppDisks.tsx")),
  terminal: lazy(() => import("./AppTerminal.tsx")),
  manage: lazy(() => import("./AppManage.tsx")),
};
const DeployForm = lazy(async () => ({ default: (await import("./DeployForm.tsx")).DeployForm }));

export default function AppPage() {
  const t = useT();
  const params = useParams({ strict: false }) as { app: string; tab?: string };
  const organisation = useOrganisation();
  const project = useProject();
  const may = useCan()("editor");
  const [deploying, setDeploying] = useAddressFlag("deploy");
  const query = useApi("appGet", { app: params.app as never });
  const tab: Tab = tabs.find((one) => one === params.tab) ?? "overview";
  const home = projectAddress(organisation.slug, project.slug, "apps");
  const here = `${home}/${params.app}`;
  if (query.error && !query.data) return <ErrorPage error={query.error} reset={() => void query.refetch()} />;
  if (!query.data) return <PageSkeleton />;
  const app = query.data;
  // What surrounds it would be another project's.
  if (app.projectId !== project.id) return <NotFoundPage />;
  const Content = tab === "overview" ? undefined : contents[tab];
  const group = groupOf(tab);
  const addressOf = (one: Tab) => (one === "overview" ? here : `${here}/${one}`);
  // A preview has the name of its branch, and none of its own.
  const shown = (one: Group): Tab[] => groups[one].filter((each) => !app.preview || (each !== "previews" && each !== "domains"));
  const besides = shown(group);
  return (
    <>
      <PageHeader
        title={app.name}
        badge={<AppBadge app={app} />}
        text={app.preview ? t("apps.previewOf", { branch: app.preview.branch }) : app.description || undefined}
        back={
          app.preview
            ? { to: `${home}/${app.preview.appId}/previews`, label: t("apps.tab.previews") }
            : { to: home, label: t("frame.nav.apps") }
        }
        tabs={groupNames.map((one) => ({
          to: addressOf(shown(one)[0] ?? "overview"),
          label: t(`apps.group.${one}`),
          active: one === group,
        }))}
        {...(besides.length > 1
          ? { subtabs: besides.map((one) => ({ to: addressOf(one), label: t(`apps.tab.${one}`), active: one === tab })) }
          : {})}
        actions={<AppButtons app={app} may={may} onDeploy={() => setDeploying(true)} />}
      />
      <AppEngineNotice />
      {app.deployment && (
        <div className={css.working}>
          <span role="status">
            {t("apps.deployingNow", {
              number: app.deployment.number,
              state: t(`apps.deploymentState.${app.deployment.state}`),
            })}
          </span>
          <Link to={`${here}/deployments/${app.deployment.id}`}>{t("apps.follow")}</Link>
        </div>
      )}
      {app.state === "failing" && (
        <Alert color="red" mb="lg" title={t("apps.failing")}>
          {app.stateReason ?? t("apps.failingText")} <Link to={`${here}/logs`}>{t("apps.readLogs")}</Link>
        </Alert>
      )}
      {Content ? (
        <Suspense fallback={<PageSkeleton />}>
          <Content app={app} here={here} may={may} />
        </Suspense>
      ) : (
        <AppOverview app={app} here={here} may={may} />
      )}
      {deploying && may && <Deploy app={app} here={here} may={may} onClose={() => setDeploying(false)} />}
    </>
  );
}

function Deploy({ app, here, may, onClose }: AppTabProps & { onClose: () => void }) {
  const t = useT();
  const navigate = useNavigate();
  const reason = useWhyNotDeploy(app, may);
  return (
    <Modal
      opened
      onClose={onClose}
      size="lg"
      title={t("deploy.title", { name: app.name })}
      closeButtonProps={{ "aria-label": t("ui.close") }}
    >
      <Suspense fallback={<PageSkeleton />}>
        <DeployForm
          appName={app.name}
          prepare={async () => app.id}
          onDeployed={(_, deployment) =>
            void navigate({ to: deployment ? `${here}/deployments/${deployment}` : `${here}/deployments` })
          }
          action={t("deploy.action")}
          disabledReason={reason}
        />
      </Suspense>
    </Modal>
  );
}
