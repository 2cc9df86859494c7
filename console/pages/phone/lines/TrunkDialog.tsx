import { Accordion, MultiSelect, NumberInput, PasswordInput, Radio, Select, Stack, TagsInput, TextInput } from "@mantine/core";
import type { Destination } from "../../../../services/voice/destinations/contract.ts";
import type { Trunk } from "../../../../services/voice/trunks/contract.ts";
import { callApi, invalidate } from "../../../api/api.ts";
import { queries } from "../../../frame/queries.ts";
import { useT } from "../../../i18n/i18n.ts";
import { ApiHint } from "../../../ui/ApiHint.tsx";
import { FormDialog } from "../../../ui/FormDialog.tsx";
import { required, useForm } from "../../../ui/form.ts";
import { DestinationSelect } from "../shared/DestinationSelect.tsx";
import type { PhonePlace } from "../shared/PhonePage.tsx";

const codecs: Trunk["codecs"] = ["pcma", "pcmu", "g722", "opus"];
const headers = ["p_asserted_identity", "from", "remote_party_id"] as const;
/** As the standards and the providers write them, in every language. */
const codecNames = { pcma: "PCMA (G.711 A-law)", pcmu: "PCMU (G.711 µ-law)", g722: "G.722", opus: "Opus" } as const;
const headerNames = {
  p_asserted_identity: "P-Asserted-Identity",
  from: "From",
  remote_party_id: "Remote-Party-ID",
} as const;
const formats = ["e164_plus", "e164", "national"] as const;

/** The line to a provider: what one is told by them, and what hardly ever differs. */
export function TrunkDialog({ place, known, onClose }: { place: PhonePlace; known?: Trunk; onClose: () => void }) {
  const t = useT();
  const form = useForm({
    initial: {
      name: known?.name ?? "",
      kind: known?.kind ?? ("registration" as Trunk["kind"]),
      host: known?.host ?? "",
      port: (known?.port ?? "") as number | "",
      transport: known?.transport ?? ("udp" as Trunk["transport"]),
      userName: known?.userName ?? "",
      password: "",
      sourceAddresses: (known?.sourceAddresses ?? []) as string[],
      maxCalls: (known?.maxCalls ?? "") as number | "",
      mediaEncryption: known?.mediaEncryption ?? ("off" as Trunk["mediaEncryption"]),
      callerIdFormat: known?.callerIdFormat ?? ("e164_plus" as Trunk["callerIdFormat"]),
      dialFormat: known?.dialFormat ?? ("e164_plus" as Trunk["dialFormat"]),
      stripDigits: known?.stripDigits ?? 0,
      addPrefix: known?.addPrefix ?? "",
      outboundProxy: known?.outboundProxy ?? "",
      fromDomain: known?.fromDomain ?? "",
      authUserName: known?.authUserName ?? "",
      registrationSeconds: known?.registrationSeconds ?? 600,
      qualifySeconds: known?.qualifySeconds ?? 60,
      codecs: (known?.codecs ?? ["pcma", "pcmu"]) as Trunk["codecs"],
      callerIdHeader: known?.callerIdHeader ?? ("p_asserted_identity" as Trunk["callerIdHeader"]),
      dtmf: known?.dtmf ?? ("rtp" as Trunk["dtmf"]),
      priority: known?.priority ?? 100,
      defaultDestination: (known?.defaultDestination ?? null) as Destination | null,
    },
    checks: { name: required, host: required, codecs: (chosen) => (chosen.length > 0 ? undefined : t("ui.required")) },
    submit: async () => {
      await callApi(route, request as never);
      await invalidate(queries, ["trunkList", "trunkGet"]);
      onClose();
    },
  });
  const { password, port, maxCalls, outboundProxy, fromDomain, userName, authUserName, ...values } = form.values;
  const route = known ? "trunkUpdate" : "trunkCreate";
  const shown = {
    ...(known ? { trunk: known.id } : { phoneSystem: place.system.id }),
    ...values,
    port: port === "" ? null : port,
    maxCalls: maxCalls === "" ? null : maxCalls,
    userName: userName || null,
    authUserName: authUserName || null,
    outboundProxy: outboundProxy || null,
    fromDomain: fromDomain || null,
  };
  const request = { ...shown, ...(password ? { password } : {}) };
  const seconds = (name: "registrationSeconds" | "qualifySeconds", least: number, most: number) => (
    <NumberInput
      label={t(`phoneLines.${name}`)}
      suffix={` ${t("phone.seconds")}`}
      min={least}
      max={most}
      {...form.choice(name)}
      onChange={(value) => form.set(name, Number(value))}
    />
  );
  const choice = <K extends "transport" | "mediaEncryption">(name: K, all: readonly string[]) => (
    <Select
      label={t(`phoneLines.${name}` as "phoneLines.transport")}
      data={all.map((value) => ({ value, label: t(`phoneLines.${name}.${value}` as "phoneLines.transport.udp") }))}
      {...(form.choice(name) as object)}
    />
  );
  return (
    <FormDialog
      opened
      onClose={onClose}
      title={known?.name ?? t("phoneLines.trunks.new")}
      text={known ? undefined : t("phoneLines.trunks.newText")}
      form={form}
      size="lg"
      action={t(known ? "ui.save" : "phoneLines.trunks.new")}
      hint={<ApiHint route={route} args={shown} />}
    >
      <TextInput label={t("ui.name")} data-autofocus autoComplete="off" {...form.field("name")} />
      <Radio.Group label={t("phone.kind")} {...form.choice("kind")} onChange={(kind) => form.set("kind", kind as "ip")}>
        <Stack gap="sm" mt="xs">
          {(["registration", "ip"] as const).map((kind) => (
            <Radio
              key={kind}
              value={kind}
              label={t(`phoneLines.trunkKind.${kind}`)}
              description={t(`phoneLines.trunkKind.${kind}Text`)}
            />
          ))}
        </Stack>
      </Radio.Group>
      <TextInput
        label={t("phoneLines.host")}
        placeholder={"sip.example.org"}
        autoCapitalize="none"
        autoComplete="off"
        spellCheck={false}
        {...form.field("host")}
      />
      {form.values.kind === "registration" ? (
        <>
          <TextInput label={t("phoneLines.userName")} autoComplete="off" {...form.field("userName")} />
          <PasswordInput
            label={t("ui.password")}
            description={known?.hasPassword ? t("phoneLines.passwordKept") : undefined}
            autoComplete="new-password"
            {...form.field("password")}
          />
        </>
      ) : (
        <TagsInput
          label={t("phoneLines.sources")}
          description={t("phoneLines.sourcesText")}
          {...(form.values.sourceAddresses.length > 0 ? {} : { placeholder: "203.0.113.0/28" })}
          {...form.choice("sourceAddresses")}
        />
      )}
      <Accordion variant="contained">
        <Accordion.Item value="more">
          <Accordion.Control>{t("phone.more")}</Accordion.Control>
          <Accordion.Panel>
            <Stack gap="md">
              {choice("transport", ["udp", "tcp", "tls"])}
              <NumberInput
                label={t("phoneLines.port")}
                description={t("phoneLines.portText")}
                min={1}
                max={65_535}
                {...form.choice("port")}
                onChange={(value) => form.set("port", value === "" ? "" : Number(value))}
              />
              {choice("mediaEncryption", ["off", "optional", "required"])}
              <NumberInput
                label={t("phoneLines.maxCalls")}
                description={t("phoneLines.maxCallsText")}
                min={1}
                {...form.choice("maxCalls")}
                onChange={(value) => form.set("maxCalls", value === "" ? "" : Number(value))}
              />
              {(["callerIdFormat", "dialFormat"] as const).map((name) => (
                <Select
                  key={name}
                  label={t(`phoneLines.${name}`)}
                  data={formats.map((value) => ({ value, label: t(`phoneLines.format.${value}`) }))}
                  {...form.choice(name)}
                />
              ))}
              <NumberInput
                label={t("phoneLines.stripDigits")}
                min={0}
                max={15}
                {...form.choice("stripDigits")}
                onChange={(value) => form.set("stripDigits", Number(value))}
              />
              <TextInput label={t("phoneLines.addPrefix")} {...form.field("addPrefix")} />
              <TextInput
                label={t("phoneLines.outboundProxy")}
                placeholder={"proxy.example.org:5060"}
                {...form.field("outboundProxy")}
              />
              <TextInput label={t("phoneLines.fromDomain")} {...form.field("fromDomain")} />
              <MultiSelect
                label={t("phoneLines.codecs")}
                description={t("phoneLines.codecsText")}
                data={codecs.map((value) => ({ value, label: codecNames[value] }))}
                {...(form.choice("codecs") as object)}
              />
              <Select
                label={t("phoneLines.callerIdHeader")}
                data={headers.map((value) => ({ value, label: headerNames[value] }))}
                {...form.choice("callerIdHeader")}
              />
              {form.values.kind === "registration" && (
                <>
                  <TextInput
                    label={t("phoneLines.authUserName")}
                    description={t("phoneLines.authUserNameText")}
                    autoComplete="off"
                    {...form.field("authUserName")}
                  />
                  {seconds("registrationSeconds", 60, 86_400)}
                </>
              )}
              {seconds("qualifySeconds", 0, 3600)}
              <Select
                label={t("phoneLines.dtmf")}
                data={(["rtp", "info"] as const).map((value) => ({ value, label: t(`phoneLines.dtmf.${value}`) }))}
                {...form.choice("dtmf")}
              />
              <NumberInput
                label={t("phoneLines.trunkPriority")}
                description={t("phoneLines.trunkPriorityText")}
                min={0}
                max={1000}
                {...form.choice("priority")}
                onChange={(value) => form.set("priority", Number(value))}
              />
              <DestinationSelect
                phoneSystem={place.system.id}
                label={t("phoneLines.defaultDestination")}
                value={form.values.defaultDestination}
                none={t("phoneLines.refused")}
                onChange={(destination) => form.set("defaultDestination", destination)}
              />
            </Stack>
          </Accordion.Panel>
        </Accordion.Item>
      </Accordion>
    </FormDialog>
  );
}
