import { Accordion, Group, MultiSelect, NumberInput, Select, Stack, Switch, Text, TextInput } from "@mantine/core";
import type { Destination } from "../../../../services/voice/destinations/contract.ts";
import type { Speech } from "../../../../services/voice/elements/shapes/contract.ts";
import { useT } from "../../../i18n/i18n.ts";
import { DestinationSelect } from "../shared/DestinationSelect.tsx";
import { useExtensionOptions } from "../shared/destinations.ts";
import type { ElementForm, ElementView, FormOf } from "../shared/Elements.tsx";
import { narrow } from "../shared/narrow.ts";
import type { PhonePlace } from "../shared/PhonePage.tsx";
import { MusicSelect, SpeechField } from "./SpeechField.tsx";

type Queue = ElementView<"callQueue">;
const strategies = ["ring_all", "longest_idle", "fewest_calls", "round_robin", "in_order", "random"] as const;

const valuesOf = (queue: Queue | undefined) => ({
  strategy: queue?.strategy ?? ("longest_idle" as Queue["strategy"]),
  agents: queue?.agents ?? ([] as Queue["agents"]),
  ringSeconds: queue?.ringSeconds ?? 20,
  wrapUpSeconds: queue?.wrapUpSeconds ?? 10,
  pauseAfterMisses: queue?.pauseAfterMisses ?? 3,
  maxWaiting: queue?.maxWaiting ?? 50,
  maxWaitSeconds: queue?.maxWaitSeconds ?? 600,
  overflow: (queue?.overflow ?? { kind: "hang_up" }) as Destination,
  leaveWhenEmpty: queue?.leaveWhenEmpty ?? true,
  announcePosition: queue?.announcePosition ?? true,
  announceWait: queue?.announceWait ?? false,
  announceEverySeconds: queue?.announceEverySeconds ?? 45,
  serviceLevelSeconds: queue?.serviceLevelSeconds ?? 20,
  joinMessage: queue?.joinMessage as Speech | undefined,
  repeatMessage: queue?.repeatMessage as Speech | undefined,
  music: (queue?.music ?? "") as string,
  callbackDigit: queue?.callbackDigit ?? "",
  namePrefix: queue?.namePrefix ?? "",
});
type Values = ReturnType<typeof valuesOf>;

export const queueForm: ElementForm<"callQueue", Values> = {
  kind: "callQueue",
  numbered: "optional",
  values: valuesOf,
  body: ({ joinMessage, repeatMessage, music, callbackDigit, namePrefix, ...rest }, empty) => ({
    ...pick(rest),
    joinMessage: joinMessage ?? empty,
    repeatMessage: repeatMessage ?? empty,
    music: music || empty,
    callbackDigit: callbackDigit || empty,
    namePrefix: namePrefix || empty,
  }),
  fields: (form, place) => <Fields form={form} place={place} />,
};

const pick = ({
  strategy,
  agents,
  overflow,
  leaveWhenEmpty,
  announcePosition,
  announceWait,
  ...rest
}: Omit<Values, "joinMessage" | "repeatMessage" | "music" | "callbackDigit" | "namePrefix">) => ({
  strategy,
  agents,
  overflow,
  leaveWhenEmpty,
  announcePosition,
  announceWait,
  ...Object.fromEntries(times.map((name) => [name, rest[name]])),
});
const times = [
  "ringSeconds",
  "wrapUpSeconds",
  "pauseAfterMisses",
  "maxWaitSeconds",
  "maxWaiting",
  "announceEverySeconds",
  "serviceLevelSeconds",
] as const;

const withPriority = (agents: Queue["agents"], extension: string, priority: number): Queue["agents"] =>
  agents.map((agent) => (agent.extension === extension ? { ...agent, priority } : agent));

function Fields({ form, place }: { form: FormOf<Values & { name: string; number: string }>; place: PhonePlace }) {
  const t = useT();
  const { system } = place;
  const options = useExtensionOptions(system.id);
  const { values } = form;
  const number = (name: (typeof times)[number], min: number, max: number) => (
    <NumberInput
      key={name}
      label={t(`phoneFlow.queue.${name}`)}
      {...(name === "pauseAfterMisses" ? { description: t("phoneFlow.queue.pauseAfterMissesText") } : {})}
      {...(/Seconds$/.test(name) ? { suffix: ` ${t("phone.seconds")}` } : {})}
      min={min}
      max={max}
      classNames={narrow}
      {...form.choice(name)}
      onChange={(value) => form.set(name, Number(value))}
    />
  );
  return (
    <>
      <Select
        label={t("phone.strategy")}
        data={strategies.map((value) => ({ value, label: t(`phoneFlow.strategy.${value}`) }))}
        {...form.choice("strategy")}
      />
      <MultiSelect
        label={t("phoneFlow.agents")}
        searchable
        limit={60}
        data={options}
        value={values.agents.map(({ extension }) => extension as string)}
        onChange={(ids) =>
          form.set(
            "agents",
            ids.map((id) => values.agents.find(({ extension }) => extension === id) ?? { extension: id as never, priority: 1 }),
          )
        }
      />
      <DestinationSelect
        phoneSystem={system.id}
        label={t("phoneFlow.queue.overflow")}
        description={t("phoneFlow.queue.overflowText")}
        value={values.overflow}
        onChange={(destination) => destination && form.set("overflow", destination)}
      />
      <Accordion variant="contained">
        {values.agents.length > 1 && (
          <Accordion.Item value="order">
            <Accordion.Control>{t("phoneFlow.agentOrder")}</Accordion.Control>
            <Accordion.Panel>
              <Stack gap="xs">
                <Text size="sm" c="dimmed">
                  {t("phoneFlow.agentOrderText")}
                </Text>
                {values.agents.map(({ extension, priority }) => {
                  const name = options.find(({ value }) => value === extension)?.label ?? extension;
                  return (
                    <Group key={extension} justify="space-between" wrap="nowrap">
                      <Text size="sm">{name}</Text>
                      <NumberInput
                        aria-label={t("phoneFlow.agentPriority", { name })}
                        size="xs"
                        w={80}
                        min={1}
                        max={10}
                        clampBehavior="strict"
                        value={priority}
                        onChange={(value) => form.set("agents", withPriority(values.agents, extension, Number(value) || 1))}
                      />
                    </Group>
                  );
                })}
              </Stack>
            </Accordion.Panel>
          </Accordion.Item>
        )}
        <Accordion.Item value="more">
          <Accordion.Control>{t("phone.more")}</Accordion.Control>
          <Accordion.Panel>
            <Stack gap="md">
              {number("ringSeconds", 3, 300)}
              {number("wrapUpSeconds", 0, 600)}
              {number("pauseAfterMisses", 0, 20)}
              {number("maxWaitSeconds", 5, 7200)}
              {number("maxWaiting", 1, 1000)}
              {number("serviceLevelSeconds", 5, 600)}
              <Switch
                label={t("phoneFlow.queue.leaveWhenEmpty")}
                checked={values.leaveWhenEmpty}
                onChange={(event) => form.set("leaveWhenEmpty", event.currentTarget.checked)}
              />
              <Switch
                label={t("phoneFlow.queue.announcePosition")}
                checked={values.announcePosition}
                onChange={(event) => form.set("announcePosition", event.currentTarget.checked)}
              />
              <Switch
                label={t("phoneFlow.queue.announceWait")}
                checked={values.announceWait}
                onChange={(event) => form.set("announceWait", event.currentTarget.checked)}
              />
              {number("announceEverySeconds", 15, 600)}
              <SpeechField
                optional
                phoneSystem={system.id}
                label={t("phoneFlow.queue.joinMessage")}
                value={values.joinMessage}
                onChange={(speech) => form.set("joinMessage", speech)}
              />
              <SpeechField
                optional
                phoneSystem={system.id}
                label={t("phoneFlow.queue.repeatMessage")}
                value={values.repeatMessage}
                onChange={(speech) => form.set("repeatMessage", speech)}
              />
              <MusicSelect phoneSystem={system.id} value={values.music} onChange={(id) => form.set("music", id)} />
              <TextInput
                label={t("phoneFlow.queue.callbackDigit")}
                description={t("phoneFlow.queue.callbackDigitText")}
                maxLength={1}
                inputMode="numeric"
                classNames={narrow}
                {...form.field("callbackDigit")}
              />
              <TextInput
                label={t("phone.namePrefix")}
                description={t("phone.namePrefixText")}
                maxLength={20}
                classNames={narrow}
                {...form.field("namePrefix")}
              />
            </Stack>
          </Accordion.Panel>
        </Accordion.Item>
      </Accordion>
    </>
  );
}
