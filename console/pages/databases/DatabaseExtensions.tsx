import { Button } from "@mantine/core";
import { useState } from "react";
import { type Answer, callApi, invalidate, useApiList } from "../../api/api.ts";
import { queries } from "../../frame/queries.ts";
import { useT } from "../../i18n/i18n.ts";
import { ConfirmDestroy } from "../../ui/ConfirmDestroy.tsx";
import { DataList } from "../../ui/list/DataList.tsx";
import { Section } from "../../ui/Section.tsx";
import { StatusBadge } from "../../ui/StatusBadge.tsx";
import { toastError } from "../../ui/toast.ts";
import type { DatabaseTabProps } from "./DatabasePage.tsx";
import { whyNot } from "./words.ts";

type Extension = Answer<"databaseExtensionList">["items"][number];
const refresh = () => invalidate(queries, ["databaseExtensionList"]);
/** The list of slow statements is made of it. */
const needed = "pg_stat_statements";

/** What the server brings besides, to be switched on. */
export default function DatabaseExtensions({ database, may }: DatabaseTabProps) {
  const t = useT();
  const extensions = useApiList("databaseExtensionList", { database: database.id });
  const [working, setWorking] = useState<string>();
  const [disabling, setDisabling] = useState<Extension>();
  const reason = whyNot(database, "change_extensions", may);
  const enable = async (extension: string) => {
    setWorking(extension);
    try {
      await callApi("databaseExtensionEnable", { database: database.id, extension });
      await refresh();
    } catch (error) {
      toastError(error);
    } finally {
      setWorking(undefined);
    }
  };
  return (
    <>
      <Section title={t("databases.tab.extensions")} text={t("databases.extensions.text")} flush>
        <DataList
          id="database-extensions"
          label={t("databases.tab.extensions")}
          list={extensions}
          search={({ name, description }) => `${name} ${description}`}
          rowKey={({ name }) => name}
          rowName={({ name }) => name}
          columns={[
            {
              key: "name",
              header: t("ui.name"),
              primary: true,
              cell: ({ name }) => <code>{name}</code>,
              sort: ({ name }) => name,
            },
            {
              key: "description",
              header: t("databases.extensions.description"),
              width: "minmax(200px, 3fr)",
              phone: "bare",
              cell: ({ description }) => <span title={description}>{description}</span>,
            },
            {
              key: "state",
              header: t("databases.state"),
              width: "minmax(112px, 140px)",
              phone: "bare",
              cell: ({ version }) => (
                <StatusBadge tone={version ? "good" : "off"}>
                  {version ? t("databases.extensions.on", { version }) : t("databases.extensions.off")}
                </StatusBadge>
              ),
              sort: ({ version }) => (version ? 0 : 1),
            },
            {
              key: "switch",
              header: t("ui.actions"),
              width: "minmax(120px, 140px)",
              align: "right",
              phone: "bare",
              cell: ({ name, version, ...rest }) => (
                <Button
                  size="xs"
                  variant="default"
                  disabled={reason !== undefined || name === needed}
                  title={reason ?? (name === needed ? t("databases.extensions.needed") : undefined)}
                  loading={working === name}
                  aria-label={`${t(version ? "databases.extensions.disable" : "databases.extensions.enable")}: ${name}`}
                  onClick={() => (version ? setDisabling({ name, version, ...rest }) : void enable(name))}
                >
                  {t(version ? "databases.extensions.disable" : "databases.extensions.enable")}
                </Button>
              ),
            },
          ]}
          empty={null}
        />
      </Section>
      {disabling && (
        <ConfirmDestroy
          opened
          onClose={() => setDisabling(undefined)}
          title={t("databases.extensions.disableTitle", { name: disabling.name })}
          text={t("databases.extensions.disableText")}
          action={t("databases.extensions.disable")}
          onConfirm={async () => {
            await callApi("databaseExtensionDisable", { database: database.id, extension: disabling.name });
            await refresh();
          }}
        />
      )}
    </>
  );
}
