import { Checkbox, FileInput, NumberInput, Progress, Radio, Select, Stack, Switch, Text, TextInput } from "@mantine/core";
import { useState } from "react";
import type { Image, ImageVisibility } from "../../../services/compute/images/contract.ts";
import { callApi, invalidate, useApiList } from "../../api/api.ts";
import { useCan, useOrganisation, useProject } from "../../frame/identity.ts";
import { queries } from "../../frame/queries.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { ApiHint } from "../../ui/ApiHint.tsx";
import { FormDialog } from "../../ui/FormDialog.tsx";
import { required, useForm } from "../../ui/form.ts";
import { sendFile } from "./sendFile.ts";

const gib = 1024 ** 3;
const refresh = () => invalidate(queries, ["imageList", "engineGet", "operationList"]);
const nameOf = (text: string) =>
  text
    .toLowerCase()
    .replace(/[^a-z0-9.-]+/g, "-")
    .replace(/^[.-]+|[.-]+$/g, "")
    .slice(0, 63);

/** A fresh system from its distribution's own mirror. */
export function ImageBuild({ onClose }: { onClose: () => void }) {
  const t = useT();
  const project = useProject();
  const admin = useCan("cloud")("admin");
  const recipes = useApiList("imageRecipeList", {});
  const form = useForm({
    initial: { recipe: "", name: "", everybody: admin },
    submit: async () => {
      await callApi("imageBuild", request as never);
      await refresh();
      onClose();
    },
  });
  const { values } = form;
  const recipe = values.recipe || recipes.rows?.find(({ available }) => available)?.name || "";
  const request = {
    recipe,
    ...(values.everybody ? { scope: "cloud" } : { scope: "project", project: project.id }),
    ...(values.name ? { name: values.name } : {}),
  };
  return (
    <FormDialog
      opened
      onClose={onClose}
      title={t("images.build")}
      text={t("images.buildText")}
      form={form}
      action={t("images.buildAction")}
      disabled={recipe === ""}
      hint={<ApiHint route="imageBuild" args={request} />}
    >
      <Radio.Group label={t("images.system")} value={recipe} onChange={(value) => form.set("recipe", value)}>
        <Stack gap="sm" mt="xs">
          {recipes.rows?.map((one) => (
            <Radio
              key={one.name}
              value={one.name}
              label={one.title}
              disabled={!one.available}
              description={one.available ? one.mirror : one.reason}
            />
          ))}
        </Stack>
      </Radio.Group>
      <TextInput label={t("ui.name")} placeholder={recipe} {...form.field("name")} />
      {admin && <Everybody checked={values.everybody} onChange={(everybody) => form.set("everybody", everybody)} />}
    </FormDialog>
  );
}

function Everybody({ checked, onChange }: { checked: boolean; onChange: (on: boolean) => void }) {
  const t = useT();
  return (
    <Switch
      label={t("images.everybody")}
      description={t("images.everybodyText")}
      checked={checked}
      onChange={(event) => onChange(event.currentTarget.checked)}
    />
  );
}

export function ImageFetch({ onClose }: { onClose: () => void }) {
  const t = useT();
  const project = useProject();
  const admin = useCan("cloud")("admin");
  const form = useForm({
    initial: { alias: "debian/12", name: "", everybody: admin },
    checks: { alias: required },
    submit: async () => {
      await callApi("imageFetch", request as never);
      await refresh();
      onClose();
    },
  });
  const { values } = form;
  const request = {
    alias: values.alias,
    ...(values.everybody ? { scope: "cloud" } : { scope: "project", project: project.id }),
    ...(values.name ? { name: values.name } : {}),
  };
  return (
    <FormDialog
      opened
      onClose={onClose}
      title={t("images.fetch")}
      text={t("images.fetchText")}
      form={form}
      action={t("images.fetchAction")}
      hint={<ApiHint route="imageFetch" args={request} />}
    >
      <TextInput label={t("images.alias")} description={t("images.aliasText")} data-autofocus {...form.field("alias")} />
      <TextInput label={t("ui.name")} placeholder={nameOf(values.alias)} {...form.field("name")} />
      {admin && <Everybody checked={values.everybody} onChange={(everybody) => form.set("everybody", everybody)} />}
    </FormDialog>
  );
}

export function ImageUpload({ onClose }: { onClose: () => void }) {
  const t = useT();
  const format = useFormat();
  const project = useProject();
  const [sent, setSent] = useState<number>();
  const form = useForm({
    initial: { file: null as File | null, name: "", defaultUser: "root", minimumDiskGib: 2 },
    checks: { file: (file) => (file ? undefined : t("ui.required")) },
    submit: async ({ file, name, defaultUser, minimumDiskGib }) => {
      if (!file) return;
      const query = new URLSearchParams({
        project: project.id,
        scope: "project",
        name: name || nameOf(file.name.replace(/\.(tar(\.\w+)?|tgz|qcow2|img)$/, "")),
        defaultUser,
        minimumDiskBytes: String(minimumDiskGib * gib),
      });
      setSent(0);
      try {
        await sendFile(`/api/v1/images/upload?${query}`, file, setSent);
      } finally {
        setSent(undefined);
      }
      await refresh();
      onClose();
    },
  });
  const { values } = form;
  return (
    <FormDialog
      opened
      onClose={onClose}
      title={t("images.upload")}
      text={t("images.uploadText")}
      form={form}
      action={t("images.uploadAction")}
    >
      <FileInput
        label={t("images.file")}
        placeholder={t("images.filePlaceholder")}
        accept=".tar,.gz,.xz,.zst,.tgz,.qcow2,.img"
        value={values.file}
        onChange={(file) => form.set("file", file)}
      />
      <TextInput
        label={t("ui.name")}
        placeholder={values.file ? nameOf(values.file.name.replace(/\.(tar(\.\w+)?|tgz|qcow2|img)$/, "")) : ""}
        {...form.field("name")}
      />
      <TextInput label={t("images.user")} description={t("images.userText")} {...form.field("defaultUser")} />
      <NumberInput
        label={t("images.minimumDisk")}
        suffix={format.gibibytes}
        min={1}
        value={values.minimumDiskGib}
        onChange={(value) => form.set("minimumDiskGib", Number(value) || 1)}
      />
      {sent !== undefined && values.file && (
        <div>
          <Progress
            value={(sent / values.file.size) * 100}
            animated={sent === values.file.size}
            aria-label={t("images.sending")}
          />
          <Text size="sm" c="dimmed" role="status">
            {sent === values.file.size
              ? t("images.unpacking")
              : t("images.sent", { done: format.bytes(sent), all: format.bytes(values.file.size) })}
          </Text>
        </div>
      )}
    </FormDialog>
  );
}

export function ImageEdit({ image, onClose }: { image: Image; onClose: () => void }) {
  const t = useT();
  const format = useFormat();
  const form = useForm({
    initial: {
      name: image.name,
      description: image.description,
      defaultUser: image.defaultUser,
      minimumDiskGib: image.minimumDiskBytes / gib,
    },
    checks: { name: required },
    submit: async ({ name, description, defaultUser, minimumDiskGib }) => {
      await callApi("imageUpdate", {
        image: image.id,
        name,
        description,
        defaultUser,
        minimumDiskBytes: Math.round(minimumDiskGib * gib),
      });
      await refresh();
      onClose();
    },
  });
  return (
    <FormDialog opened onClose={onClose} title={t("images.edit", { name: image.name })} form={form} action={t("ui.save")}>
      <TextInput label={t("ui.name")} data-autofocus {...form.field("name")} />
      <TextInput label={t("images.description")} {...form.field("description")} />
      <TextInput label={t("images.user")} description={t("images.userText")} {...form.field("defaultUser")} />
      <NumberInput
        label={t("images.minimumDisk")}
        suffix={format.gibibytes}
        min={0}
        value={form.values.minimumDiskGib}
        onChange={(value) => form.set("minimumDiskGib", Number(value) || 0)}
      />
    </FormDialog>
  );
}

export function ImageShare({ image, onClose }: { image: Image; onClose: () => void }) {
  const t = useT();
  const organisation = useOrganisation();
  const admin = useCan("cloud")("admin");
  const projects = useApiList("projectList", { organisation: organisation.id });
  const form = useForm({
    initial: {
      visibility: image.visibility as string,
      projects: (image.sharedProjects?.map(({ id }) => id as string) ?? []) as string[],
    },
    submit: async ({ visibility, projects: chosen }) => {
      await callApi("imageShare", {
        image: image.id,
        visibility: visibility as ImageVisibility,
        projects: visibility === "shared" ? (chosen as never) : [],
      });
      await refresh();
      onClose();
    },
  });
  const { values } = form;
  return (
    <FormDialog
      opened
      onClose={onClose}
      title={t("images.shareTitle", { name: image.name })}
      text={t("images.shareText")}
      form={form}
      action={t("ui.save")}
    >
      <Select
        label={t("images.whose")}
        allowDeselect={false}
        data={(["private", "shared", "organisation", ...(admin ? (["public"] as const) : [])] as const).map((value) => ({
          value,
          label: t(`images.visibility.${value}`),
        }))}
        {...form.choice("visibility")}
      />
      {values.visibility === "shared" && (
        <Checkbox.Group label={t("images.projects")} value={values.projects} onChange={(chosen) => form.set("projects", chosen)}>
          <Stack gap="xs" mt="xs">
            {projects.rows
              ?.filter(({ id }) => id !== image.projectId)
              .map(({ id, name }) => (
                <Checkbox key={id} value={id} label={name} />
              ))}
          </Stack>
        </Checkbox.Group>
      )}
    </FormDialog>
  );
}
