import {
  Accordion,
  Alert,
  Anchor,
  Button,
  Checkbox,
  Radio,
  Skeleton,
  Stack,
  Switch,
  TagsInput,
  Textarea,
  TextInput,
} from "@mantine/core";
import { IconBrandDebian, IconBrandUbuntu, IconDisc } from "@tabler/icons-react";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import { callApi, useApiList } from "../../api/api.ts";
import { projectAddress } from "../../frame/address.ts";
import { useCloud, useOrganisation, useProject } from "../../frame/identity.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { ApiHint } from "../../ui/ApiHint.tsx";
import { FormProblem } from "../../ui/FormProblem.tsx";
import { useForm } from "../../ui/form.ts";
import { PageHeader } from "../../ui/PageHeader.tsx";
import { Section } from "../../ui/Section.tsx";
import css from "./compute.module.css";
import { EngineNotice } from "./EngineNotice.tsx";
import { SizeChoice } from "./SizeChoice.tsx";
import { SshKeyChoice } from "./SshKeyChoice.tsx";
import { hoursPerMonth } from "./words.ts";

/** Good defaults everywhere: a name is all that has to be given. */
export default function InstanceCreatePage() {
  const t = useT();
  const format = useFormat();
  const navigate = useNavigate();
  const organisation = useOrganisation();
  const project = useProject();
  const currency = useCloud()?.currency ?? "EUR";
  const search = useSearch({ strict: false }) as { image?: string };
  const sizes = useApiList("sizeList", {});
  const images = useApiList("imageList", { project: project.id });
  const networks = useApiList("networkList", { project: project.id });
  const groups = useApiList("securityGroupList", { project: project.id });
  const keys = useApiList("sshKeyList", { project: project.id });
  const existing = useApiList("instanceList", { project: project.id });
  const home = projectAddress(organisation.slug, project.slug, "instances");
  const [chosenKeys, setChosenKeys] = useState<string[]>();

  const ready = useMemo(() => (images.rows ?? []).filter(({ state }) => state === "ready"), [images.rows]);
  const form = useForm({
    initial: {
      name: "",
      image: search.image ?? "",
      size: "",
      networks: [] as string[],
      securityGroups: [] as string[],
      userData: "",
      labels: [] as string[],
      protected: false,
      autoRestart: true,
    },
    checks: {
      name: (name) =>
        name === ""
          ? t("ui.required")
          : /^[a-z]([a-z0-9-]*[a-z0-9])?$/.test(name) && name.length <= 63
            ? undefined
            : t("compute.name.rules"),
    },
    submit: async () => {
      const operation = await callApi("instanceCreate", request as never);
      const id = operation.resource?.id ?? "";
      await navigate({ to: `${home}/${id}` });
    },
  });
  const { values } = form;
  const suggested = useMemo(() => {
    const taken = new Set(existing.rows?.map(({ name }) => name));
    for (let number = 1; ; number++) if (!taken.has(`server-${number}`)) return `server-${number}`;
  }, [existing.rows]);
  const image = ready.find(({ id }) => id === values.image) ?? ready[0];
  const fits = (bytes: number) => image === undefined || bytes >= image.minimumDiskBytes;
  const size =
    sizes.rows?.find(({ id }) => id === values.size) ??
    sizes.rows?.find(({ name, diskBytes }) => name === "small" && fits(diskBytes)) ??
    sizes.rows?.find(({ diskBytes }) => fits(diskBytes));
  const sshKeys = chosenKeys ?? keys.rows?.map(({ id }) => id) ?? [];
  const request = {
    project: project.id,
    name: values.name,
    size: size?.name ?? "",
    image: image?.name ?? "",
    ...(values.networks.length > 0 ? { networks: values.networks } : {}),
    ...(values.securityGroups.length > 0 ? { securityGroups: values.securityGroups } : {}),
    ...(sshKeys.length > 0 ? { sshKeys } : {}),
    ...(values.userData ? { userData: values.userData } : {}),
    ...(values.labels.length > 0
      ? {
          labels: Object.fromEntries(
            values.labels.map((label) => {
              const [key = "", ...rest] = label.split("=");
              return [key, rest.join("=")];
            }),
          ),
        }
      : {}),
    ...(values.protected ? { protected: true } : {}),
    ...(values.autoRestart ? {} : { autoRestart: false }),
  };
  const price = Number(size?.pricePerHour ?? 0);
  return (
    <>
      <PageHeader
        title={t("compute.create.title")}
        text={t("compute.create.text")}
        back={{ to: home, label: t("compute.instances") }}
      />
      <EngineNotice />
      <form onSubmit={form.onSubmit} noValidate className={css.form}>
        <div>
          <Section title={t("compute.create.name")}>
            <TextInput
              label={t("ui.name")}
              description={t("compute.name.rules")}
              placeholder={suggested}
              data-autofocus
              autoComplete="off"
              autoCapitalize="none"
              spellCheck={false}
              maw={420}
              {...form.field("name")}
              onChange={(event) => form.set("name", event.currentTarget.value.toLowerCase().replaceAll(/[ _.]/g, "-"))}
              rightSection={
                values.name === "" ? (
                  <Anchor component="button" type="button" size="xs" onClick={() => form.set("name", suggested)}>
                    {t("compute.name.take")}
                  </Anchor>
                ) : undefined
              }
              rightSectionWidth={96}
            />
          </Section>
          <Section title={t("compute.image")} text={t("compute.create.imageText")}>
            {images.rows === undefined ? (
              <Skeleton height={72} />
            ) : ready.length === 0 ? (
              <Alert color="yellow" title={t("compute.create.noImages")}>
                {t("compute.create.noImagesText")}{" "}
                <Anchor component={Link} to={projectAddress(organisation.slug, project.slug, "images")}>
                  {t("compute.images")}
                </Anchor>
              </Alert>
            ) : (
              <Radio.Group value={image?.id ?? ""} onChange={(id) => form.set("image", id)} aria-label={t("compute.image")}>
                <div className={css.images}>
                  {ready.map((one) => (
                    <Radio.Card key={one.id} value={one.id} className={css.image} aria-label={one.name}>
                      <ImageIcon name={one.name} />
                      <span>
                        <b>{one.name}</b>
                        <small>{one.description || format.memory(one.sizeBytes ?? 0)}</small>
                      </span>
                      <Radio.Indicator size="sm" />
                    </Radio.Card>
                  ))}
                </div>
              </Radio.Group>
            )}
          </Section>
          <Section title={t("compute.size")} text={t("compute.create.sizeText")}>
            {sizes.rows === undefined ? (
              <Skeleton height={240} />
            ) : (
              <SizeChoice
                sizes={sizes.rows}
                value={size?.id}
                onChange={(id) => form.set("size", id)}
                whyNot={(one) =>
                  fits(one.diskBytes)
                    ? undefined
                    : t("compute.create.diskTooSmall", { disk: format.memory(image?.minimumDiskBytes ?? 0) })
                }
              />
            )}
          </Section>
          <Section title={t("compute.sshKeys")} text={t("compute.create.sshKeysText")}>
            <SshKeyChoice value={sshKeys} onChange={setChosenKeys} />
          </Section>
          <Accordion variant="contained" mb="lg" radius={8}>
            <Accordion.Item value="more">
              <Accordion.Control>{t("compute.create.more")}</Accordion.Control>
              <Accordion.Panel>
                <Stack gap="lg">
                  {(networks.rows?.length ?? 0) > 0 && (
                    <Checkbox.Group
                      label={t("compute.networks")}
                      description={t("compute.create.networksText")}
                      value={values.networks}
                      onChange={(chosen) => form.set("networks", chosen)}
                    >
                      <Stack gap="xs" mt="xs">
                        {networks.rows?.map((network) => (
                          <Checkbox key={network.id} value={network.id} label={network.name} description={network.cidr} />
                        ))}
                      </Stack>
                    </Checkbox.Group>
                  )}
                  {(groups.rows?.length ?? 0) > 0 && (
                    <Checkbox.Group
                      label={t("compute.securityGroups")}
                      description={t("compute.create.securityGroupsText")}
                      value={values.securityGroups}
                      onChange={(chosen) => form.set("securityGroups", chosen)}
                    >
                      <Stack gap="xs" mt="xs">
                        {groups.rows?.map((group) => (
                          <Checkbox key={group.id} value={group.id} label={group.name} description={group.description} />
                        ))}
                      </Stack>
                    </Checkbox.Group>
                  )}
                  <Textarea
                    label={t("compute.create.userData")}
                    description={t("compute.create.userDataText")}
                    placeholder={"#cloud-config\npackages:\n  - nginx"}
                    autosize
                    minRows={4}
                    maxRows={16}
                    spellCheck={false}
                    styles={{ input: { fontFamily: "var(--mantine-font-family-monospace)", fontSize: 13 } }}
                    {...form.field("userData")}
                  />
                  <TagsInput
                    label={t("compute.labels")}
                    description={t("compute.create.labelsText")}
                    placeholder="env=production"
                    value={values.labels}
                    onChange={(labels) => form.set("labels", labels)}
                  />
                  <Switch
                    label={t("compute.autoRestart")}
                    description={t("compute.autoRestartText")}
                    checked={values.autoRestart}
                    onChange={(event) => form.set("autoRestart", event.currentTarget.checked)}
                  />
                  <Switch
                    label={t("compute.protected")}
                    description={t("compute.protectedText")}
                    checked={values.protected}
                    onChange={(event) => form.set("protected", event.currentTarget.checked)}
                  />
                </Stack>
              </Accordion.Panel>
            </Accordion.Item>
          </Accordion>
          <ApiHint route="instanceCreate" args={{ ...request, name: values.name || suggested }} />
        </div>
        <aside className={css.summary} aria-label={t("compute.create.summary")}>
          <h2>{values.name || suggested}</h2>
          <p className={css.note}>
            {[
              image?.name,
              size &&
                t("compute.capacity", {
                  vcpus: size.vcpus,
                  memory: format.memory(size.memoryBytes),
                  disk: format.memory(size.diskBytes),
                }),
            ]
              .filter(Boolean)
              .join(" · ")}
          </p>
          <div>
            <div className={css.total}>{t("compute.perMonth", { price: format.money(price * hoursPerMonth, currency) })}</div>
            <p className={css.note}>{t("compute.create.priceText", { price: format.money(price, currency) })}</p>
          </div>
          <FormProblem>{form.problem}</FormProblem>
          <Button type="submit" loading={form.sending} disabled={image === undefined || size === undefined}>
            {t("compute.create.action")}
          </Button>
        </aside>
      </form>
    </>
  );
}

export function ImageIcon({ name }: { name: string }) {
  if (/debian/i.test(name)) return <IconBrandDebian size={28} stroke={1.4} aria-hidden />;
  if (/ubuntu/i.test(name)) return <IconBrandUbuntu size={28} stroke={1.4} aria-hidden />;
  return <IconDisc size={28} stroke={1.4} aria-hidden />;
}
