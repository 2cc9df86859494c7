import { Button } from "@mantine/core";
import { IconDownload } from "@tabler/icons-react";
import { useState } from "react";
import { client } from "../../api/api.ts";
import { useT } from "../../i18n/i18n.ts";
import { toastError } from "../../ui/toast.ts";
import { csv, saveCsv } from "../usage/csv.ts";

type Filters = Parameters<typeof client.auditEntryList>[0];

/** What the filters show, all pages of it. */
export function ExportAudit({ args }: { args: Filters }) {
  const t = useT();
  const [count, setCount] = useState<number>();
  const run = async () => {
    setCount(0);
    try {
      const chunks = [
        csv([
          [
            "sequence",
            "at",
            "actor_kind",
            "actor_id",
            "actor_name",
            "action",
            "resource_kind",
            "resource_id",
            "resource_name",
            "project_id",
            "source_ip",
            "user_agent",
            "request_id",
            "before",
            "after",
            "hash",
          ],
        ]),
      ];
      let rows = 0;
      for await (const page of client.pages("auditEntryList", { ...args, limit: 1000 })) {
        chunks.push(
          csv(
            page.items.map((entry) => [
              entry.sequence,
              entry.at,
              entry.actor.kind,
              entry.actor.id,
              entry.actor.name,
              entry.action,
              entry.resource.kind,
              entry.resource.id,
              entry.resource.name,
              entry.projectId,
              entry.sourceIp,
              entry.userAgent,
              entry.requestId,
              entry.before && JSON.stringify(entry.before),
              entry.after && JSON.stringify(entry.after),
              entry.hash,
            ]),
          ),
        );
        rows += page.items.length;
        setCount(rows);
      }
      saveCsv(`khmara-audit-${new Date().toISOString().slice(0, 10)}.csv`, chunks);
    } catch (error) {
      toastError(error);
    } finally {
      setCount(undefined);
    }
  };
  return (
    <Button
      variant="default"
      disabled={count !== undefined}
      leftSection={<IconDownload size={16} aria-hidden />}
      onClick={() => void run()}
    >
      {count === undefined ? t("audit.export") : t("audit.exporting", { count })}
    </Button>
  );
}
