import { Alert, Button, Group, NumberInput, Select, Stack, Switch, Text, TextInput } from "@mantine/core";
import { useNavigate } from "@tanstack/react-router";
import { type ReactNode, useState } from "react";
import type { DatabaseView } from "../../../services/databases/contract.ts";
import { callApi, client, invalidate } from "../../api/api.ts";
import { queries } from "../../frame/queries.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { ApiHint } from "../../ui/ApiHint.tsx";
import { ConfirmDestroy } from "../../ui/ConfirmDestroy.tsx";
import { FormProblem } from "../../ui/FormProblem.tsx";
import { useForm } from "../../ui/form.ts";
import { Section } from "../../ui/Section.tsx";
import { toastError } from "../../ui/toast.ts";
import { DatabaseDelete } from "./DatabaseDelete.tsx";
import type { DatabaseTabProps } from "./DatabasePage.tsx";
import { SizeCards } from "./SizeCards.tsx";
import { databaseRoutes, GiB, nameProblem, runAction, sizes, versions, whyNot } from "./words.ts";

const refresh = () => invalidate(queries, databaseRoutes);

/** How large it is, what it is called, which version it has, what protects it, and what ends it. */
export default function DatabaseSettings({ database, here, may }: DatabaseTabProps) {
  const t = useT();
  const navigate = useNavigate();
  const [removing, setRemoving] = useState(false);
  return (
    <>
      <Resize key={`${database.memoryBytes} ${database.cpus} ${database.diskBytes}`} database={database} may={may} />
      <Upgrade database={database} may={may} />
      <Rename key={database.name} database={database} may={may} />
      <Section title={t("databases.manage")}>
        <Stack gap="lg">
          <Switch
            label={t("databases.protected")}
            description={t("databases.protectedText")}
            checked={database.protected}
            disabled={!may}
            onChange={(event) =>
              void client
                .databaseUpdate({ database: database.id, protected: event.currentTarget.checked }, { ifMatch: database.revision })
                .then(refresh)
                .catch(toastError)
            }
          />
          <Action
            title={t("databases.action.restart")}
            text={t("databases.restartText")}
            reason={whyNot(database, "restart", may)}
          >
            <Button
              variant="default"
              disabled={!allowed(database, "restart", may)}
              onClick={() => runAction("databaseRestart", database.id)}
            >
              {t("databases.action.restart")}
            </Button>
          </Action>
          {database.state === "stopped" ? (
            <Action title={t("databases.action.start")} text={t("databases.startText")} reason={whyNot(database, "start", may)}>
              <Button
                variant="default"
                disabled={!allowed(database, "start", may)}
                onClick={() => runAction("databaseStart", database.id)}
              >
                {t("databases.action.start")}
              </Button>
            </Action>
          ) : (
            <Action title={t("databases.action.stop")} text={t("databases.stopText")} reason={whyNot(database, "stop", may)}>
              <Button
                variant="default"
                disabled={!allowed(database, "stop", may)}
                onClick={() => runAction("databaseStop", database.id)}
              >
                {t("databases.action.stop")}
              </Button>
            </Action>
          )}
          <Action title={t("databases.delete.action")} text={t("databases.deleteText")} reason={whyNot(database, "delete", may)}>
            <Button
              variant="default"
              c="var(--k-bad)"
              disabled={!allowed(database, "delete", may)}
              onClick={() => setRemoving(true)}
            >
              {t("databases.delete.action")}
            </Button>
          </Action>
        </Stack>
      </Section>
      {removing && (
        <DatabaseDelete
          database={database}
          onClose={() => setRemoving(false)}
          onGone={() => void navigate({ to: here.slice(0, here.lastIndexOf("/")) })}
        />
      )}
    </>
  );
}

const allowed = (database: DatabaseView, action: Parameters<typeof whyNot>[1], may: boolean): boolean =>
  whyNot(database, action, may) === undefined;

function Action(props: { title: string; text: string; reason: string | undefined; children: ReactNode }) {
  return (
    <Group justify="space-between" gap="md" wrap="nowrap" align="flex-start">
      <div style={{ minWidth: 0 }}>
        <Text fw={500}>{props.title}</Text>
        <Text size="sm" c="dimmed">
          {props.reason ?? props.text}
        </Text>
      </div>
      <div style={{ flex: "none" }}>{props.children}</div>
    </Group>
  );
}

function Resize({ database, may }: { database: DatabaseView; may: boolean }) {
  const t = useT();
  const format = useFormat();
  const reason = whyNot(database, "resize", may);
  const form = useForm({
    initial: {
      size: sizes.find(({ memoryBytes, cpus }) => memoryBytes === database.memoryBytes && cpus === database.cpus)?.name ?? "",
      diskGibibytes: Math.ceil(database.diskBytes / GiB),
    } as { size: string; diskGibibytes: number },
    checks: {
      diskGibibytes: (value) =>
        Number(value) * GiB > (database.usedBytes ?? 0) && Number(value) >= 1
          ? undefined
          : t("databases.resize.tooSmall", { used: format.memory(database.usedBytes ?? 0) }),
    },
    submit: async () => {
      await callApi("databaseResize", request as never);
      await refresh();
    },
  });
  const size = sizes.find(({ name }) => name === form.values.size);
  const restarts = size !== undefined && (size.memoryBytes !== database.memoryBytes || size.cpus !== database.cpus);
  const diskBytes = Number(form.values.diskGibibytes) * GiB;
  const diskChanges = Math.ceil(database.diskBytes / GiB) * GiB !== diskBytes;
  const request = {
    database: database.id,
    ...(restarts ? { memoryBytes: size.memoryBytes, cpus: size.cpus } : {}),
    ...(diskChanges ? { diskBytes } : {}),
  };
  return (
    <Section
      title={t("databases.resize")}
      text={
        reason ??
        t("databases.resize.text", {
          size: t("databases.sizeLine", { memory: format.memory(database.memoryBytes), cpus: format.number(database.cpus) }),
          disk: format.memory(database.diskBytes),
        })
      }
    >
      <form onSubmit={form.onSubmit} noValidate>
        <Stack gap="md">
          <FormProblem>{form.problem}</FormProblem>
          <SizeCards value={form.values.size} onChange={(name) => form.set("size", name)} />
          <NumberInput
            label={t("databases.disk")}
            suffix={format.gibibytes}
            min={1}
            max={65_536}
            allowDecimal={false}
            maw={220}
            {...form.choice("diskGibibytes")}
            onChange={(value) => form.set("diskGibibytes", Number(value))}
          />
          {restarts && (
            <Text size="sm" c="dimmed">
              {t("databases.resize.restarts")}
            </Text>
          )}
          <Group>
            <Button type="submit" loading={form.sending} disabled={reason !== undefined || (!restarts && !diskChanges)}>
              {t("databases.resize.action")}
            </Button>
          </Group>
          <ApiHint route="databaseResize" args={request} />
        </Stack>
      </form>
    </Section>
  );
}

function Upgrade({ database, may }: { database: DatabaseView; may: boolean }) {
  const t = useT();
  const newer = versions.filter((version) => Number(version) > Number(database.version));
  const [version, setVersion] = useState<string>(newer[0] ?? "");
  const [asking, setAsking] = useState(false);
  const reason = whyNot(database, "upgrade", may);
  if (newer.length === 0)
    return <Section title={t("databases.upgrade")} text={t("databases.upgrade.newest", { version: database.version })} />;
  return (
    <Section title={t("databases.upgrade")} text={reason ?? t("databases.upgrade.text", { version: database.version })}>
      <Group align="flex-end">
        <Select
          label={t("databases.upgrade.to")}
          allowDeselect={false}
          data={newer.map((value) => ({ value, label: `PostgreSQL ${value}` }))}
          value={version}
          onChange={(value) => value && setVersion(value)}
        />
        <Button variant="default" disabled={reason !== undefined} onClick={() => setAsking(true)}>
          {t("databases.upgrade.action")}
        </Button>
      </Group>
      <ConfirmDestroy
        opened={asking}
        onClose={() => setAsking(false)}
        title={t("databases.upgrade.title", { name: database.name, version })}
        destroyed={[t("databases.upgrade.down"), ...(database.bucket ? [t("databases.upgrade.window")] : [])]}
        kept={[t("databases.upgrade.kept"), t("databases.upgrade.back")]}
        action={t("databases.upgrade.action")}
        onConfirm={async () => {
          await callApi("databaseUpgrade", { database: database.id, version: version as "18" });
          await refresh();
        }}
      >
        <Alert color="yellow" styles={{ message: { color: "var(--k-text)" } }}>
          {t("databases.upgrade.first")}
        </Alert>
      </ConfirmDestroy>
    </Section>
  );
}

function Rename({ database, may }: { database: DatabaseView; may: boolean }) {
  const t = useT();
  const reason = whyNot(database, "rename", may);
  const form = useForm({
    initial: { name: database.name },
    checks: { name: (name) => nameProblem(name) },
    submit: async ({ name }) => {
      await callApi("databaseRename", { database: database.id, name });
      await refresh();
    },
  });
  return (
    <Section title={t("databases.rename")} text={reason ?? t("databases.rename.text", { host: database.internalHost })}>
      <form onSubmit={form.onSubmit} noValidate>
        <Stack gap="md" maw={420}>
          <FormProblem>{form.problem}</FormProblem>
          <TextInput label={t("ui.name")} autoComplete="off" spellCheck={false} disabled={!may} {...form.field("name")} />
          <Group>
            <Button
              type="submit"
              variant="default"
              loading={form.sending}
              disabled={reason !== undefined || form.values.name === database.name}
            >
              {t("databases.rename.action")}
            </Button>
          </Group>
        </Stack>
      </form>
    </Section>
  );
}
