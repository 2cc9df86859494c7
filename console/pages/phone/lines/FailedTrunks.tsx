import { Alert } from "@mantine/core";
import type { ReactNode } from "react";
import type { Trunk } from "../../../../services/voice/trunks/contract.ts";
import { useT } from "../../../i18n/i18n.ts";

/** Which trunks do not work, and why: nobody can call in or out by them until it is mended. */
export function FailedTrunks({ trunks, way }: { trunks: Trunk[]; way?: ReactNode }) {
  const t = useT();
  return trunks
    .filter(({ state }) => state === "failed")
    .map((trunk) => (
      <Alert key={trunk.id} color="red" mb="lg" title={t("phone.overview.trunkFailed", { name: trunk.name })}>
        {trunk.stateReason} {way}
      </Alert>
    ));
}
