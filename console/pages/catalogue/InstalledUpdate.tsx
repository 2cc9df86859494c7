import { Alert, Button, Checkbox, Select } from "@mantine/core";
import { useState } from "react";
import type { Installation } from "../../../services/apps/catalogue/contract.ts";
import { callApi, invalidate, useApiList } from "../../api/api.ts";
import { errorText } from "../../api/errors.ts";
import { useProject } from "../../frame/identity.ts";
import { queries } from "../../frame/queries.ts";
import { useT } from "../../i18n/i18n.ts";
import { ApiHint } from "../../ui/ApiHint.tsx";
import { FormDialog } from "../../ui/FormDialog.tsx";
import { toastDone } from "../../ui/toast.ts";

/** A new version, with a copy of the data first; where there is no bucket for that, one is made. */
export default function InstalledUpdate(props: { installation: Installation; version: string; onClose: () => void }) {
  const { installation, version, onClose } = props;
  const { name } = installation;
  const t = useT();
  const project = useProject();
  const buckets = useApiList("bucketList", { project: project.id }, { limit: 200 }).rows;
  const [chosen, setChosen] = useState<string>();
  const [skip, setSkip] = useState(false);
  const [sending, setSending] = useState(false);
  const [problem, setProblem] = useState<string>();
  const hasData = installation.hasDisks || installation.database !== undefined;
  const bucket = chosen ?? installation.bucket?.id ?? buckets?.[0]?.id;
  const args = {
    installation: installation.id,
    ...(hasData && skip ? { skipBackup: true } : hasData && bucket ? { bucket } : {}),
  };
  const making = `${name}-backups`.slice(0, 40).replace(/-+$/, "");
  const attempt = async (work: () => Promise<void>) => {
    setSending(true);
    setProblem(undefined);
    try {
      await work();
    } catch (error) {
      setProblem(errorText(error));
    } finally {
      setSending(false);
    }
  };
  const send = () =>
    attempt(async () => {
      await callApi("installationUpdate", args);
      await invalidate(queries, ["installationList", "appGet", "deploymentList"]);
      toastDone(t("catalogue.update.begun", { name }));
      onClose();
    });
  const make = () =>
    attempt(async () => {
      const { id } = await callApi("bucketCreate", { project: project.id, name: making });
      await invalidate(queries, ["bucketList"]);
      setChosen(id);
    });
  return (
    <FormDialog
      opened
      onClose={onClose}
      title={t("catalogue.update.title", { name, version })}
      text={hasData ? `${t("catalogue.update.text")} ${t("catalogue.update.down")}` : undefined}
      form={{
        problem,
        sending,
        onSubmit: (event) => {
          event.preventDefault();
          void send();
        },
      }}
      action={t("catalogue.update", { version })}
      disabled={hasData && !skip && bucket === undefined}
      hint={<ApiHint route="installationUpdate" args={args} />}
    >
      {hasData && !skip && buckets?.length === 0 && bucket === undefined && (
        <Alert color="yellow" styles={{ message: { color: "var(--k-text)" } }}>
          {t("catalogue.update.noBucket")}{" "}
          <Button size="xs" variant="default" loading={sending} onClick={() => void make()}>
            {t("catalogue.update.makeBucket", { name: making })}
          </Button>
        </Alert>
      )}
      {hasData && bucket !== undefined && (
        <Select
          label={t("catalogue.update.bucket")}
          data={(buckets ?? []).map(({ id, name: label }) => ({ value: id, label }))}
          value={bucket}
          disabled={skip}
          allowDeselect={false}
          onChange={(value) => setChosen(value ?? undefined)}
        />
      )}
      {hasData && (
        <Checkbox
          label={t("catalogue.update.skip")}
          description={t("catalogue.update.skipText")}
          checked={skip}
          onChange={(event) => setSkip(event.currentTarget.checked)}
        />
      )}
    </FormDialog>
  );
}
