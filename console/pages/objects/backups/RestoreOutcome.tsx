import { Alert, Text } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import { useApi } from "../../../api/api.ts";
import { organisationAddress } from "../../../frame/address.ts";
import { useOrganisation } from "../../../frame/identity.ts";
import { useT } from "../../../i18n/i18n.ts";
import { FailureText } from "../../../ui/FailureText.tsx";
import { over } from "../../operations/words.ts";

/** As the operation of a restore tells it (services/objects/backup). */
interface Counts {
  restored: number;
  same: number;
  kept: number;
  missing: number;
  missingKeys: string[];
}
export interface Restoring {
  operationId: string;
  bucket: string;
}

/** What came of a restore, once it is over: until then the work in progress is shown above. */
export function RestoreOutcome({ restoring, onClose }: { restoring: Restoring; onClose: () => void }) {
  const t = useT();
  const organisation = useOrganisation();
  const { operationId, bucket } = restoring;
  const [ended, setEnded] = useState(false);
  const { data: operation } = useApi(
    "operationGet",
    { operation: operationId as never },
    { refetchInterval: ended ? false : 1000 },
  );
  const isOver = operation !== undefined && over(operation.state);
  useEffect(() => setEnded(isOver), [isOver]);
  if (!operation || !isOver) return null;
  const address = organisationAddress(organisation.slug, `operations/${operationId}`);
  const counts = operation.state === "succeeded" ? (operation.result as Counts | undefined) : undefined;
  const there = counts ? counts.same + counts.kept : 0;
  return (
    <Alert
      mb="lg"
      color={counts === undefined ? "red" : counts.missing > 0 ? "orange" : "green"}
      role="status"
      withCloseButton
      closeButtonLabel={t("ui.close")}
      onClose={onClose}
      title={
        counts === undefined
          ? t("bucketBackups.restoreFailed", { bucket })
          : counts.restored === 0
            ? t("bucketBackups.restoredNone", { bucket })
            : t("bucketBackups.restored", { count: counts.restored, bucket })
      }
    >
      {operation.error && <FailureText failure={operation.error} />}
      {there > 0 && <Text size="sm">{t("bucketBackups.restoredSame", { count: there })}</Text>}
      {counts && counts.missing > 0 && (
        <Text size="sm" style={{ overflowWrap: "anywhere" }}>
          {t("bucketBackups.restoredMissing", { count: counts.missing })} {counts.missingKeys.slice(0, 10).join(", ")}
        </Text>
      )}
      <Link to={address}>{t("bucketBackups.restoreDetails")}</Link>
    </Alert>
  );
}
