import { Button, Group, Select, Stack, Switch, TagsInput, Text, TextInput } from "@mantine/core";
import { useState } from "react";
import type { Instance } from "../../../services/compute/instances/contract.ts";
import { callApi, invalidate, useApiList } from "../../api/api.ts";
import { useProject } from "../../frame/identity.ts";
import { queries } from "../../frame/queries.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { ConfirmDestroy } from "../../ui/ConfirmDestroy.tsx";
import { CopyField } from "../../ui/CopyField.tsx";
import { FormDialog } from "../../ui/FormDialog.tsx";
import { FormProblem } from "../../ui/FormProblem.tsx";
import { useForm } from "../../ui/form.ts";
import { SecretOnce } from "../../ui/SecretOnce.tsx";
import { Section } from "../../ui/Section.tsx";
import { toastError } from "../../ui/toast.ts";
import { InstanceDelete } from "./InstanceDelete.tsx";
import type { InstanceTabProps } from "./InstancePage.tsx";
import { SizeChoice } from "./SizeChoice.tsx";
import { whyNot } from "./words.ts";

const refresh = () => invalidate(queries, ["instanceGet", "instanceList"]);

export default function InstanceSettings({ instance, may }: InstanceTabProps) {
  const t = useT();
  const [open, setOpen] = useState<"resize" | "rebuild" | "delete" | "password">();
  const close = () => setOpen(undefined);
  const update = (changes: object) =>
    callApi("instanceUpdate", { instance: instance.id, ...changes } as never)
      .then(refresh)
      .catch(toastError);
  const row = (
    title: string,
    text: string,
    action: "resize" | "rebuild" | "delete" | "passwordReset",
    onClick: () => void,
    danger = false,
  ) => {
    const reason = whyNot(instance, action, may);
    return (
      <Group justify="space-between" gap="md" wrap="nowrap" align="flex-start">
        <div style={{ minWidth: 0 }}>
          <Text fw={500}>{title}</Text>
          <Text size="sm" c="dimmed">
            {reason ?? text}
          </Text>
        </div>
        <Button
          variant="default"
          {...(danger ? { c: "var(--k-bad)" } : {})}
          disabled={reason !== undefined}
          onClick={onClick}
          style={{ flex: "none" }}
        >
          {title}
        </Button>
      </Group>
    );
  };
  return (
    <>
      <Details key={instance.revision} instance={instance} may={may} />
      <Section title={t("compute.settings.behaviour")}>
        <Stack gap="md">
          <Switch
            label={t("compute.autoRestart")}
            description={t("compute.autoRestartText")}
            checked={instance.autoRestart}
            disabled={!may}
            onChange={(event) => void update({ autoRestart: event.currentTarget.checked })}
          />
          <Switch
            label={t("compute.protected")}
            description={t("compute.protectedText")}
            checked={instance.protected}
            disabled={!may}
            onChange={(event) => void update({ protected: event.currentTarget.checked })}
          />
        </Stack>
      </Section>
      <Section title={t("compute.settings.change")}>
        <Stack gap="lg">
          {row(t("compute.resize"), t("compute.resize.text"), "resize", () => setOpen("resize"))}
          {row(t("compute.password"), t("compute.password.text"), "passwordReset", () => setOpen("password"))}
        </Stack>
      </Section>
      <Section title={t("compute.settings.danger")} danger>
        <Stack gap="lg">
          {row(t("compute.rebuild"), t("compute.rebuild.text"), "rebuild", () => setOpen("rebuild"), true)}
          {row(t("compute.delete.action"), t("compute.delete.text"), "delete", () => setOpen("delete"), true)}
        </Stack>
      </Section>
      {open === "resize" && <Resize instance={instance} onClose={close} />}
      {open === "rebuild" && <Rebuild instance={instance} onClose={close} />}
      {open === "password" && <PasswordReset instance={instance} onClose={close} />}
      {open === "delete" && <InstanceDelete instances={[instance]} onClose={close} />}
    </>
  );
}

function Details({ instance, may }: { instance: Instance; may: boolean }) {
  const t = useT();
  const labels = Object.entries(instance.labels).map(([key, value]) => (value ? `${key}=${value}` : key));
  const form = useForm({
    initial: { name: instance.name, description: instance.description, labels },
    submit: async (values) => {
      await callApi("instanceUpdate", {
        instance: instance.id,
        name: values.name,
        description: values.description,
        labels: Object.fromEntries(
          values.labels.map((label) => {
            const [key = "", ...rest] = label.split("=");
            return [key, rest.join("=")];
          }),
        ),
      });
      await refresh();
    },
  });
  return (
    <Section title={t("compute.settings.details")}>
      <form onSubmit={form.onSubmit} noValidate>
        <Stack gap="md" maw={520}>
          <FormProblem>{form.problem}</FormProblem>
          <TextInput label={t("ui.name")} description={t("compute.settings.nameText")} disabled={!may} {...form.field("name")} />
          <TextInput label={t("compute.description")} disabled={!may} {...form.field("description")} />
          <TagsInput
            label={t("compute.labels")}
            placeholder="env=production"
            disabled={!may}
            value={form.values.labels}
            onChange={(value) => form.set("labels", value)}
          />
          <Group>
            <Button type="submit" loading={form.sending} disabled={!may}>
              {t("ui.save")}
            </Button>
          </Group>
        </Stack>
      </form>
    </Section>
  );
}

function Resize({ instance, onClose }: { instance: Instance; onClose: () => void }) {
  const t = useT();
  const sizes = useApiList("sizeList", {});
  const form = useForm({
    initial: { size: "" },
    submit: async ({ size }) => {
      await callApi("instanceResize", { instance: instance.id, size });
      await refresh();
      onClose();
    },
  });
  return (
    <FormDialog
      opened
      onClose={onClose}
      size="xl"
      title={t("compute.resize.title", { name: instance.name })}
      text={t("compute.resize.text")}
      form={form}
      action={t("compute.resize")}
      disabled={form.values.size === ""}
    >
      <SizeChoice
        sizes={sizes.rows ?? []}
        value={form.values.size || instance.sizeId}
        onChange={(size) => form.set("size", size)}
        whyNot={(size) =>
          size.id === instance.sizeId
            ? t("compute.resize.same")
            : size.diskBytes < instance.diskBytes
              ? t("compute.resize.smallerDisk")
              : undefined
        }
      />
    </FormDialog>
  );
}

function Rebuild({ instance, onClose }: { instance: Instance; onClose: () => void }) {
  const t = useT();
  const format = useFormat();
  const project = useProject();
  const images = useApiList("imageList", { project: project.id });
  const ready = (images.rows ?? []).filter(({ state }) => state === "ready");
  const [image, setImage] = useState<string>();
  const chosen = image ?? instance.imageId ?? ready[0]?.id;
  return (
    <ConfirmDestroy
      opened
      onClose={onClose}
      title={t("compute.rebuild.title", { name: instance.name })}
      destroyed={[t("compute.rebuild.destroyed", { size: format.memory(instance.diskBytes) })]}
      kept={[t("compute.rebuild.kept"), t("compute.delete.volumes")]}
      typeName={instance.name}
      action={t("compute.rebuild")}
      onConfirm={async () => {
        await callApi("instanceRebuild", {
          instance: instance.id,
          confirm: instance.name,
          ...(chosen ? { image: chosen } : {}),
        });
        await refresh();
      }}
    >
      <Select
        label={t("compute.image")}
        allowDeselect={false}
        data={ready.map(({ id, name }) => ({ value: id, label: name }))}
        value={chosen ?? null}
        onChange={(value) => setImage(value ?? undefined)}
      />
    </ConfirmDestroy>
  );
}

function PasswordReset({ instance, onClose }: { instance: Instance; onClose: () => void }) {
  const t = useT();
  const [made, setMade] = useState<{ user: string; password: string }>();
  const form = useForm({
    initial: { user: "root" },
    submit: async ({ user }) => setMade(await callApi("instancePasswordReset", { instance: instance.id, user })),
  });
  if (made) {
    return (
      <SecretOnce title={t("compute.password")} text={t("compute.password.once")} onClose={onClose}>
        <CopyField label={t("compute.password.user")} value={made.user} />
        <CopyField label={t("compute.password.new")} value={made.password} secret />
      </SecretOnce>
    );
  }
  return (
    <FormDialog
      opened
      onClose={onClose}
      title={t("compute.password")}
      text={t("compute.password.text")}
      form={form}
      action={t("compute.password.action")}
    >
      <TextInput label={t("compute.password.user")} autoCapitalize="none" spellCheck={false} {...form.field("user")} />
    </FormDialog>
  );
}
