import { Group, NumberInput, Select, Stack, Textarea, TextInput } from "@mantine/core";
import { useNavigate } from "@tanstack/react-router";
import { callApi, invalidate, useApiList } from "../../api/api.ts";
import { projectAddress } from "../../frame/address.ts";
import { useCloud, useOrganisation, useProject } from "../../frame/identity.ts";
import { queries } from "../../frame/queries.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { ApiHint } from "../../ui/ApiHint.tsx";
import { FormDialog } from "../../ui/FormDialog.tsx";
import { required, useForm } from "../../ui/form.ts";

const example =
  '#!/bin/sh\nset -e\necho "task $KHMARA_TASK_INDEX of $KHMARA_TASK_COUNT"\nls -l /input\nnproc > /output/result.txt\n';

export function JobCreate({ onClose }: { onClose: () => void }) {
  const t = useT();
  const format = useFormat();
  const navigate = useNavigate();
  const organisation = useOrganisation();
  const project = useProject();
  const currency = useCloud()?.currency ?? "EUR";
  const images = useApiList("imageList", { project: project.id, state: "ready" });
  const sizes = useApiList("sizeList", {});
  const buckets = useApiList("bucketList", { project: project.id });
  const form = useForm({
    initial: {
      name: "",
      script: example,
      image: "",
      size: "",
      environment: "",
      inputBucket: "",
      inputPrefix: "",
      outputBucket: "",
      outputPrefix: "",
      array: 1,
      parallel: "" as number | "",
      maximumRetries: 0,
      timeoutMinutes: 60,
      priority: 50,
    },
    checks: {
      name: required,
      script: required,
      environment: (text) =>
        text.split("\n").every((line) => line.trim() === "" || /^[A-Za-z_]\w*=/.test(line))
          ? undefined
          : t("jobs.environmentRules"),
    },
    submit: async () => {
      const job = await callApi("jobCreate", request as never);
      await invalidate(queries, ["jobList"]);
      await navigate({ to: projectAddress(organisation.slug, project.slug, `jobs/${job.id}`) });
    },
  });
  const { values } = form;
  const image = values.image || images.rows?.[0]?.id || "";
  const size =
    sizes.rows?.find(({ id }) => id === values.size) ?? sizes.rows?.find(({ name }) => name === "small") ?? sizes.rows?.[0];
  const folder = (prefix: string) => (prefix === "" || prefix.endsWith("/") ? prefix : `${prefix}/`);
  const environment = Object.fromEntries(
    values.environment
      .split("\n")
      .filter((line) => line.includes("="))
      .map((line) => [line.slice(0, line.indexOf("=")).trim(), line.slice(line.indexOf("=") + 1)]),
  );
  const request = {
    project: project.id,
    name: values.name,
    image,
    size: size?.id ?? "",
    script: values.script,
    ...(Object.keys(environment).length > 0 ? { environment } : {}),
    ...(values.inputBucket ? { input: { bucket: values.inputBucket, prefix: folder(values.inputPrefix) } } : {}),
    ...(values.outputBucket ? { output: { bucket: values.outputBucket, prefix: folder(values.outputPrefix) } } : {}),
    array: values.array,
    ...(values.parallel === "" ? {} : { parallel: values.parallel }),
    maximumRetries: values.maximumRetries,
    timeoutSeconds: Math.round(values.timeoutMinutes * 60),
    priority: values.priority,
  };
  const inBuckets = (buckets.rows ?? []).map(({ id, name }) => ({ value: id as string, label: name }));
  return (
    <FormDialog
      opened
      onClose={onClose}
      size="xl"
      title={t("jobs.create")}
      text={t("jobs.createText")}
      form={form}
      action={t("jobs.createAction")}
      disabled={image === "" || size === undefined}
      hint={<ApiHint route="jobCreate" args={request} />}
    >
      <TextInput label={t("ui.name")} data-autofocus {...form.field("name")} />
      <Textarea
        label={t("jobs.script")}
        description={t("jobs.scriptText")}
        autosize
        minRows={6}
        maxRows={18}
        spellCheck={false}
        styles={{ input: { fontFamily: "var(--mantine-font-family-monospace)", fontSize: 13 } }}
        {...form.field("script")}
      />
      <Group grow align="flex-start">
        <Select
          label={t("jobs.image")}
          allowDeselect={false}
          data={(images.rows ?? []).map(({ id, name }) => ({ value: id as string, label: name }))}
          value={image || null}
          onChange={(value) => form.set("image", value ?? "")}
        />
        <Select
          label={t("jobs.size")}
          description={size && t("jobs.price", { price: format.money(Number(size.pricePerHour), currency) })}
          inputWrapperOrder={["label", "input", "description"]}
          allowDeselect={false}
          data={(sizes.rows ?? []).map(({ id, name, vcpus, memoryBytes }) => ({
            value: id as string,
            label: `${name} · ${vcpus} vCPU · ${format.memory(memoryBytes)}`,
          }))}
          value={size?.id ?? null}
          onChange={(value) => form.set("size", value ?? "")}
        />
      </Group>
      <Group grow align="flex-start">
        <NumberInput
          label={t("jobs.array")}
          description={t("jobs.arrayText")}
          min={1}
          max={10_000}
          value={values.array}
          onChange={(value) => form.set("array", Number(value) || 1)}
        />
        <NumberInput
          label={t("jobs.parallel")}
          description={t("jobs.parallelText")}
          placeholder={t("jobs.asManyAsFit")}
          min={1}
          max={10_000}
          value={values.parallel}
          onChange={(value) => form.set("parallel", value === "" ? "" : Number(value))}
        />
      </Group>
      <Stack gap="md">
        {(["input", "output"] as const).map((side) => (
          <Group key={side} grow align="flex-start">
            <Select
              label={t(`jobs.${side}`)}
              description={t(`jobs.${side}Text`)}
              placeholder={t("jobs.noBucket")}
              clearable
              data={inBuckets}
              value={values[`${side}Bucket`] || null}
              onChange={(value) => form.set(`${side}Bucket`, value ?? "")}
            />
            <TextInput
              label={t("jobs.folder")}
              description={t("jobs.folderText")}
              placeholder="results/"
              disabled={values[`${side}Bucket`] === ""}
              {...form.field(`${side}Prefix`)}
            />
          </Group>
        ))}
      </Stack>
      <Textarea
        label={t("jobs.environment")}
        description={t("jobs.environmentText")}
        placeholder="API_KEY=…"
        autosize
        minRows={2}
        spellCheck={false}
        {...form.field("environment")}
      />
      <Group grow align="flex-start">
        <NumberInput
          label={t("jobs.timeout")}
          min={1}
          max={43_200}
          value={values.timeoutMinutes}
          onChange={(value) => form.set("timeoutMinutes", Number(value) || 60)}
        />
        <NumberInput
          label={t("jobs.retries")}
          min={0}
          max={10}
          value={values.maximumRetries}
          onChange={(value) => form.set("maximumRetries", Number(value))}
        />
        <NumberInput
          label={t("jobs.priority")}
          min={0}
          max={100}
          value={values.priority}
          onChange={(value) => form.set("priority", Number(value))}
        />
      </Group>
    </FormDialog>
  );
}
