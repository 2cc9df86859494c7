import { Button, Progress } from "@mantine/core";
import { IconPlayerPlay, IconPlayerStop, IconPlus, IconRefresh, IconTerminal2, IconTrash } from "@tabler/icons-react";
import { Link, useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import type { DatabaseState, DatabaseView } from "../../../services/databases/contract.ts";
import { useApiList } from "../../api/api.ts";
import { projectAddress } from "../../frame/address.ts";
import { useCan, useOrganisation, useProject } from "../../frame/identity.ts";
import { Reasoned } from "../../frame/Reasoned.tsx";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { EmptyState } from "../../ui/EmptyState.tsx";
import { DataList } from "../../ui/list/DataList.tsx";
import { PageHeader } from "../../ui/PageHeader.tsx";
import { StatusBadge } from "../../ui/StatusBadge.tsx";
import { TimeAgo } from "../../ui/TimeAgo.tsx";
import { AppEngineNotice } from "../apps/AppEngineNotice.tsx";
import { DatabaseDelete } from "./DatabaseDelete.tsx";
import css from "./databases.module.css";
import { databaseTones, fullness, isFull, isNearlyFull, runAction, whyNot } from "./words.ts";

const states: DatabaseState[] = ["running", "failing", "stopped", "error"];

export default function DatabasesPage() {
  const t = useT();
  const format = useFormat();
  const navigate = useNavigate();
  const organisation = useOrganisation();
  const project = useProject();
  const may = useCan()("editor");
  const [removing, setRemoving] = useState<DatabaseView>();
  const databases = useApiList("databaseList", { project: project.id });
  const here = projectAddress(organisation.slug, project.slug, "databases");
  const create = may ? (
    <Button component={Link} to={`${here}/new`} leftSection={<IconPlus size={16} aria-hidden />}>
      {t("databases.create")}
    </Button>
  ) : undefined;
  return (
    <>
      <PageHeader title={t("frame.nav.databases")} text={t("databases.text")} actions={create} />
      <AppEngineNotice />
      <DataList
        id="databases"
        label={t("frame.nav.databases")}
        list={databases}
        rowKey={({ id }) => id}
        rowName={({ name }) => name}
        rowAddress={({ id }) => `${here}/${id}`}
        search={({ name, databaseName }) => `${name} ${databaseName}`}
        filters={[
          {
            key: "state",
            label: t("databases.state"),
            options: states.map((value) => ({ value, label: t(`databases.state.${value}`) })),
            fits: (database: DatabaseView, value: string) => database.state === value,
          },
        ]}
        columns={[
          {
            key: "name",
            header: t("ui.name"),
            primary: true,
            width: "minmax(140px, 1.4fr)",
            cell: ({ name }) => name,
            sort: ({ name }) => name,
          },
          {
            key: "state",
            header: t("databases.state"),
            width: "minmax(128px, 160px)",
            phone: "bare",
            cell: (database) => <DatabaseBadge database={database} />,
            sort: ({ state }) => state,
          },
          {
            key: "version",
            header: t("databases.version"),
            width: "minmax(120px, 150px)",
            cell: ({ version }) => `PostgreSQL ${version}`,
            sort: ({ version }) => Number(version),
          },
          {
            key: "size",
            header: t("databases.size"),
            width: "minmax(140px, 1fr)",
            cell: ({ memoryBytes, cpus }) =>
              t("databases.sizeShort", { memory: format.memory(memoryBytes), cpus: format.number(cpus) }),
            sort: ({ memoryBytes }) => memoryBytes,
          },
          {
            key: "disk",
            header: t("databases.disk"),
            width: "minmax(150px, 1.2fr)",
            cell: (database) => <DiskUse database={database} />,
            sort: (database) => fullness(database),
          },
          {
            key: "address",
            header: t("databases.address"),
            optional: true,
            cell: ({ host, port }) => (port === undefined ? null : `${host}:${port}`),
          },
          {
            key: "created",
            header: t("ui.created"),
            optional: true,
            cell: ({ createdAt }) => <TimeAgo at={createdAt} />,
            sort: ({ createdAt }) => createdAt,
          },
        ]}
        rowActions={(database: DatabaseView) => [
          {
            label: t("databases.tab.sql"),
            icon: IconTerminal2,
            onClick: () => void navigate({ to: `${here}/${database.id}/sql` }),
          },
          ...(may
            ? [
                database.state === "stopped"
                  ? {
                      label: t("databases.action.start"),
                      icon: IconPlayerPlay,
                      disabledReason: whyNot(database, "start", may),
                      onClick: () => runAction("databaseStart", database.id),
                    }
                  : {
                      label: t("databases.action.stop"),
                      icon: IconPlayerStop,
                      disabledReason: whyNot(database, "stop", may),
                      onClick: () => runAction("databaseStop", database.id),
                    },
                {
                  label: t("databases.action.restart"),
                  icon: IconRefresh,
                  disabledReason: whyNot(database, "restart", may),
                  onClick: () => runAction("databaseRestart", database.id),
                },
                {
                  label: t("databases.delete.action"),
                  icon: IconTrash,
                  danger: true,
                  disabledReason: whyNot(database, "delete", may),
                  onClick: () => setRemoving(database),
                },
              ]
            : []),
        ]}
        empty={
          <EmptyState
            picture="disk"
            title={t("databases.empty")}
            text={t("databases.emptyText")}
            action={create}
            command={may ? "khmara database create --name my-database" : undefined}
          />
        }
      />
      {removing && <DatabaseDelete database={removing} onClose={() => setRemoving(undefined)} />}
    </>
  );
}

/** The state of a database; of one that runs, whether its disk is (nearly) full, which comes before everything else. */
export function DatabaseBadge({ database }: { database: DatabaseView }) {
  const t = useT();
  const disk =
    database.state !== "running" ? undefined : isFull(database) ? "full" : isNearlyFull(database) ? "nearlyFull" : undefined;
  return (
    <Reasoned of={database.id} reason={database.stateReason}>
      {disk === undefined ? (
        <StatusBadge tone={databaseTones[database.state]}>{t(`databases.state.${database.state}`)}</StatusBadge>
      ) : (
        <StatusBadge tone={disk === "full" ? "bad" : "warn"}>{t(`databases.${disk}`)}</StatusBadge>
      )}
    </Reasoned>
  );
}

function DiskUse({ database }: { database: DatabaseView }) {
  const t = useT();
  const format = useFormat();
  const share = fullness(database);
  if (share === undefined) return format.memory(database.diskBytes);
  const color = isFull(database) ? "red" : isNearlyFull(database) ? "yellow" : "blue";
  const words = t("databases.usedOf", { used: format.memory(database.usedBytes ?? 0), all: format.memory(database.diskBytes) });
  return (
    <span className={css.use}>
      <span>{words}</span>
      <Progress value={Math.max(1, share * 100)} size={4} color={color} aria-label={words} />
    </span>
  );
}
