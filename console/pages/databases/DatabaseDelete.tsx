import { useQueryClient } from "@tanstack/react-query";
import type { DatabaseView } from "../../../services/databases/contract.ts";
import { callApi, invalidate } from "../../api/api.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { ConfirmDestroy } from "../../ui/ConfirmDestroy.tsx";

/** Says what goes with a database, and that its backups stay where they are. */
export function DatabaseDelete(props: { database: DatabaseView; onClose: () => void; onGone?: () => void }) {
  const t = useT();
  const format = useFormat();
  const queries = useQueryClient();
  const { database } = props;
  return (
    <ConfirmDestroy
      opened
      onClose={props.onClose}
      title={t("databases.delete.title", { name: database.name })}
      destroyed={[
        database.usedBytes === undefined
          ? t("databases.delete.content")
          : t("databases.delete.contentOf", { size: format.memory(database.usedBytes) }),
        t("databases.delete.users"),
        ...(database.port === undefined ? [] : [t("databases.delete.address", { address: `${database.host}:${database.port}` })]),
      ]}
      kept={database.bucket ? [t("databases.delete.backups", { bucket: database.bucket.name })] : []}
      text={database.bucket ? undefined : t("databases.delete.noBackups")}
      typeName={database.name}
      action={t("databases.delete.action")}
      onConfirm={async () => {
        await callApi("databaseDelete", { database: database.id, confirm: database.name });
        props.onGone?.();
        await invalidate(queries, ["databaseList", "databaseGet"]);
      }}
    />
  );
}
