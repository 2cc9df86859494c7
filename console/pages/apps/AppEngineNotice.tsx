import { Alert, Text } from "@mantine/core";
import type { App } from "../../../services/apps/deploying/contract.ts";
import { useApi } from "../../api/api.ts";
import { useCan } from "../../frame/identity.ts";
import { useT } from "../../i18n/i18n.ts";
import { CopyField } from "../../ui/CopyField.tsx";
import { whyNot } from "./words.ts";

/** The command that the cloud's words name, ready to copy. */
export function AddCommand({ missing }: { missing: string }) {
  const command = /\.\/khmara up(?: --[\w-]+)+/.exec(missing)?.[0];
  return command ? <CopyField value={command} /> : null;
}

/** Why an app cannot be deployed to now: by its state, or because there is nothing to run it on. */
export function useWhyNotDeploy(app: App | undefined, may: boolean): string | undefined {
  const t = useT();
  const engine = useApi("appEngineGet", {}, { staleTime: 30_000 }).data;
  return (app && whyNot(app, "deploy", may)) ?? (engine?.missing ? t("apps.why.noEngine") : undefined);
}

/** Why nothing can be deployed yet, in the cloud's own words, which name the command; whoever cannot run it is told whom to ask. */
export function AppEngineNotice() {
  const t = useT();
  const admin = useCan("cloud")("admin");
  const engine = useApi("appEngineGet", {}, { staleTime: 30_000 }).data;
  const missing = engine?.missing ?? engine?.gateway.missing;
  if (engine === undefined || missing === undefined) return null;
  return (
    <Alert
      color="yellow"
      mb="lg"
      title={t(engine.missing ? "apps.engine.missing" : "apps.engine.gatewayMissing")}
      styles={{ title: { color: "var(--k-text)" } }}
    >
      <Text size="sm" mb="xs" style={{ overflowWrap: "anywhere" }}>
        {admin ? missing : t("apps.engine.askAdmin")}
      </Text>
      {admin && <AddCommand missing={missing} />}
    </Alert>
  );
}
