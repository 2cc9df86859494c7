import { Alert, Text } from "@mantine/core";
import { useApi } from "../../api/api.ts";
import { useCan } from "../../frame/identity.ts";
import { useT } from "../../i18n/i18n.ts";

/** Why nothing can be deployed yet, in the cloud's own words, which name the command; whoever cannot run it is told whom to ask. */
export function AppEngineNotice() {
  const t = useT();
  const admin = useCan("cloud")("admin");
  const engine = useApi("appEngineGet", {}, { staleTime: 30_000 }).data;
  const missing = engine?.missing ?? engine?.gateway.missing;
  if (engine === undefined || missing === undefined) return null;
  return (
    <Alert color="yellow" mb="lg" title={t(engine.missing ? "apps.engine.missing" : "apps.engine.gatewayMissing")}>
      <Text size="sm" style={{ overflowWrap: "anywhere" }}>
        {admin ? missing : t("apps.engine.askAdmin")}
      </Text>
    </Alert>
  );
}
