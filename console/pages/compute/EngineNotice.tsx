import { Alert, Button, Group, Text } from "@mantine/core";
import { callApi, invalidate, useApi } from "../../api/api.ts";
import { useCan } from "../../frame/identity.ts";
import { queries } from "../../frame/queries.ts";
import { useT } from "../../i18n/i18n.ts";
import { CopyField } from "../../ui/CopyField.tsx";
import { toastError } from "../../ui/toast.ts";

/** Why no server can be made yet, and the one thing that changes it: an engine, or the first image. */
export function EngineNotice() {
  const t = useT();
  const admin = useCan("cloud")("admin");
  const engine = useApi("engineGet", {}, { staleTime: 30_000 }).data;
  if (engine === undefined) return null;
  if (!engine.available) {
    return (
      <Alert
        color="yellow"
        mb="lg"
        styles={{ title: { color: "var(--k-text)" } }}
        title={t(engine.reason === "engine_unreachable" ? "compute.engine.unreachable" : "compute.engine.missing")}
      >
        <Text size="sm">{admin ? (engine.hint ?? t("compute.engine.missingText")) : t("compute.engine.askAdmin")}</Text>
        {admin && engine.reason !== "engine_unreachable" && <CopyField value="./khmara up --install-engines" />}
      </Alert>
    );
  }
  const { firstImage } = engine;
  if (firstImage === undefined || !admin) return null;
  const build = () =>
    callApi("imageBuild", { recipe: firstImage.recipe, scope: "cloud" } as never)
      .then(() => invalidate(queries, ["imageList", "operationList", "engineGet"]))
      .catch(toastError);
  return (
    <Alert color="blue" mb="lg" title={t("compute.engine.firstImage")}>
      <Group justify="space-between" gap="md">
        <Text size="sm">
          {firstImage.available ? t("compute.engine.firstImageText", { title: firstImage.title }) : firstImage.reason}
        </Text>
        {firstImage.available && (
          <Button size="xs" onClick={() => void build()}>
            {t("compute.engine.build", { title: firstImage.title })}
          </Button>
        )}
      </Group>
    </Alert>
  );
}
