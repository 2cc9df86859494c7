import { Alert } from "@mantine/core";
import { Link, useNavigate, useParams } from "@tanstack/react-router";
import { type ComponentType, lazy, Suspense, useState } from "react";
import type { DatabaseView } from "../../../services/databases/contract.ts";
import { useApi } from "../../api/api.ts";
import { projectAddress } from "../../frame/address.ts";
import { useCan, useOrganisation, useProject } from "../../frame/identity.ts";
import { NotFoundPage } from "../../frame/NotFoundPage.tsx";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { ErrorPage } from "../../ui/ErrorPage.tsx";
import { PageHeader } from "../../ui/PageHeader.tsx";
import { PageSkeleton } from "../../ui/PageSkeleton.tsx";
import { WorkInProgress } from "../compute/WorkInProgress.tsx";
import { DatabaseButtons } from "./DatabaseButtons.tsx";
import { DatabaseDelete } from "./DatabaseDelete.tsx";
import { DatabaseOverview } from "./DatabaseOverview.tsx";
import { DatabaseBadge } from "./DatabasesPage.tsx";
import { databaseRoutes, fullness, isFull, isNearlyFull } from "./words.ts";

export interface DatabaseTabProps {
  database: DatabaseView;
  /** The address of the database's page. */
  here: string;
  /** Whether the person may change it. */
  may: boolean;
}

const tabs = ["overview", "sql", "tables", "users", "backups", "activity", "extensions", "settings"] as const;
type Tab = (typeof tabs)[number];

// What is heavy or rarely looked at comes when it is opened.
type Content = ComponentType<DatabaseTabProps>;
const contents: Record<Exclude<Tab, "overview">, Content> = {
  sql: lazy(() => import("./DatabaseSql.tsx")),
  tables: lazy(() => import("./DatabaseTables.tsx")),
  users: lazy(() => import("./DatabaseUsers.tsx")),
  backups: lazy(() => import("./DatabaseBackups.tsx")),
  activity: lazy(() => import("./DatabaseActivity.tsx")),
  extensions: lazy(() => import("./DatabaseExtensions.tsx")),
  settings: lazy(() => import("./DatabaseSettings.tsx")),
};
/** These ask the server itself. */
const needRunning: readonly Tab[] = ["sql", "tables", "activity", "extensions"];
/** And show what is in it, or who is: not to those who only look on. */
const needEditor: readonly Tab[] = ["sql", "tables", "activity"];

export default function DatabasePage() {
  const t = useT();
  const navigate = useNavigate();
  const params = useParams({ strict: false }) as { database: string; tab?: string };
  const organisation = useOrganisation();
  const project = useProject();
  const may = useCan()("editor");
  const [removing, setRemoving] = useState(false);
  const query = useApi("databaseGet", { database: params.database as never }, { refetchInterval: 60_000 });
  const tab: Tab = tabs.find((one) => one === params.tab) ?? "overview";
  const home = projectAddress(organisation.slug, project.slug, "databases");
  const here = `${home}/${params.database}`;
  if (query.error && !query.data) return <ErrorPage error={query.error} reset={() => void query.refetch()} />;
  if (!query.data) return <PageSkeleton />;
  const database = query.data;
  // What surrounds it would be another project's.
  if (database.projectId !== project.id) return <NotFoundPage />;
  const Content = tab === "overview" ? undefined : contents[tab];
  const isClosed =
    needEditor.includes(tab) && !may
      ? t("ui.needsRole", { role: t("ui.role.editor") })
      : needRunning.includes(tab) && database.state !== "running"
        ? t("databases.notRunning")
        : undefined;
  return (
    <>
      <PageHeader
        title={database.name}
        badge={<DatabaseBadge database={database} />}
        text={`PostgreSQL ${database.version}`}
        back={{ to: home, label: t("frame.nav.databases") }}
        tabs={tabs.map((one) => ({
          to: one === "overview" ? here : `${here}/${one}`,
          label: t(`databases.tab.${one}`),
          active: one === tab,
        }))}
        actions={<DatabaseButtons database={database} here={here} may={may} onDelete={() => setRemoving(true)} />}
      />
      <WorkInProgress
        operationId={database.operationId}
        problem={
          database.stateReason && database.state !== "running"
            ? { title: t(`databases.state.${database.state}`), text: database.stateReason, of: database.id }
            : undefined
        }
        refresh={databaseRoutes}
      />
      {database.operationId === undefined && isNearlyFull(database) && <DiskNotice database={database} here={here} />}
      {isClosed !== undefined ? (
        <Alert color="gray" mb="lg">
          {isClosed}
        </Alert>
      ) : Content ? (
        <Suspense fallback={<PageSkeleton />}>
          <Content database={database} here={here} may={may} />
        </Suspense>
      ) : (
        <DatabaseOverview database={database} here={here} may={may} />
      )}
      {removing && (
        <DatabaseDelete database={database} onClose={() => setRemoving(false)} onGone={() => void navigate({ to: home })} />
      )}
    </>
  );
}

/** Before it is full, and once it takes no writes any more. */
function DiskNotice({ database, here }: { database: DatabaseView; here: string }) {
  const t = useT();
  const format = useFormat();
  const full = isFull(database);
  return (
    <Alert
      color={full ? "red" : "yellow"}
      mb="lg"
      title={full ? t("databases.full") : t("databases.nearlyFullTitle", { share: format.percent(fullness(database) ?? 0) })}
      styles={{ title: { color: "var(--k-text)" } }}
    >
      {t(full ? "databases.fullText" : "databases.nearlyFullText", {
        used: format.memory(database.usedBytes ?? 0),
        all: format.memory(database.diskBytes),
      })}{" "}
      <Link to={`${here}/settings`}>{t("databases.giveDisk")}</Link>
    </Alert>
  );
}
