import { ActionIcon, Button, NumberInput, Group as Row, Select, Switch, Text, TextInput } from "@mantine/core";
import { IconPlus, IconX } from "@tabler/icons-react";
import type { Destination } from "../../../../services/voice/destinations/contract.ts";
import { useT } from "../../../i18n/i18n.ts";
import css from "../phone.module.css";
import { DestinationSelect } from "../shared/DestinationSelect.tsx";
import { useExtensionOptions } from "../shared/destinations.ts";
import { ElementsPage, type ElementView } from "../shared/Elements.tsx";
import { narrow } from "../shared/narrow.ts";

type Group = ElementView<"ringGroup">;
type Member = Group["members"][number];
const strategies = ["all", "in_order", "round_robin", "random"] as const;
const hangUp: Destination = { kind: "hang_up" };

export default function RingGroupsPage() {
  const t = useT();
  return (
    <ElementsPage
      tab="groups"
      text={t("phone.groups.text")}
      words="groups"
      kind="ringGroup"
      numbered="optional"
      values={(group) => ({
        strategy: group?.strategy ?? ("all" as Group["strategy"]),
        members: group?.members ?? ([] as Member[]),
        ringSeconds: group?.ringSeconds ?? 25,
        noAnswer: (group?.noAnswer ?? hangUp) as Destination,
        namePrefix: group?.namePrefix ?? "",
        skipBusy: group?.skipBusy ?? true,
      })}
      body={({ strategy, members, ringSeconds, noAnswer, namePrefix, skipBusy }, empty) => ({
        strategy,
        members,
        ringSeconds,
        noAnswer,
        skipBusy,
        namePrefix: namePrefix || empty,
      })}
      columns={() => [
        { key: "strategy", header: t("phone.strategy"), cell: ({ strategy }) => t(`phoneFlow.strategy.${strategy}`) },
        { key: "members", header: t("phoneFlow.members"), align: "right", cell: ({ members }) => members.length },
      ]}
      fields={(form, { system }) => (
        <>
          <Select
            label={t("phone.strategy")}
            data={strategies.map((value) => ({ value, label: t(`phoneFlow.strategy.${value}`) }))}
            {...form.choice("strategy")}
          />
          <Members phoneSystem={system.id} value={form.values.members} onChange={(members) => form.set("members", members)} />
          <NumberInput
            label={t("phoneFlow.ringSeconds")}
            suffix={` ${t("phone.seconds")}`}
            min={3}
            max={600}
            classNames={narrow}
            {...form.choice("ringSeconds")}
            onChange={(value) => form.set("ringSeconds", Number(value))}
          />
          <DestinationSelect
            phoneSystem={system.id}
            label={t("phoneFlow.noAnswer")}
            value={form.values.noAnswer}
            onChange={(destination) => destination && form.set("noAnswer", destination)}
          />
          <Switch
            label={t("phoneFlow.skipBusy")}
            checked={form.values.skipBusy}
            onChange={(event) => form.set("skipBusy", event.currentTarget.checked)}
          />
          <TextInput
            label={t("phone.namePrefix")}
            description={t("phone.namePrefixText")}
            maxLength={20}
            classNames={narrow}
            {...form.field("namePrefix")}
          />
        </>
      )}
    />
  );
}

function Members(props: { phoneSystem: string; value: Member[]; onChange: (members: Member[]) => void }) {
  const t = useT();
  const options = useExtensionOptions(props.phoneSystem);
  const { value, onChange } = props;
  const put = (index: number, member: Member) => onChange(value.map((one, at) => (at === index ? member : one)));
  return (
    <div>
      <Text size="sm" fw={600} mb={4}>
        {t("phoneFlow.members")}
      </Text>
      <ul className={css.rows}>
        {value.map((member, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: their order is what one arranges
          <li key={index} className={css.row}>
            {member.target.kind === "extension" ? (
              <Select
                aria-label={t("phoneFlow.member", { count: index + 1 })}
                searchable
                limit={60}
                data={options}
                value={member.target.id}
                onChange={(id) => id && put(index, { ...member, target: { kind: "extension", id: id as never } })}
              />
            ) : (
              <TextInput
                aria-label={t("phoneFlow.member", { count: index + 1 })}
                placeholder="+380441234567"
                inputMode="tel"
                value={member.target.number}
                onChange={(event) => put(index, { ...member, target: { kind: "number", number: event.currentTarget.value } })}
              />
            )}
            <NumberInput
              aria-label={t("phoneFlow.delay")}
              title={t("phoneFlow.delay")}
              w={90}
              min={0}
              max={300}
              suffix={` ${t("phone.seconds")}`}
              value={member.delaySeconds}
              onChange={(delay) => put(index, { ...member, delaySeconds: Number(delay) })}
            />
            <ActionIcon
              variant="subtle"
              color="gray"
              size={36}
              aria-label={t("phoneFlow.removeMember", { count: index + 1 })}
              onClick={() => onChange(value.filter((_, at) => at !== index))}
            >
              <IconX size={16} />
            </ActionIcon>
          </li>
        ))}
      </ul>
      <Row gap="sm" mt="sm">
        <Button
          variant="default"
          size="xs"
          leftSection={<IconPlus size={14} aria-hidden />}
          disabled={options.length === 0}
          onClick={() =>
            onChange([
              ...value,
              {
                target: {
                  kind: "extension",
                  id: (
                    options.find((one) => !value.some(({ target }) => target.kind === "extension" && target.id === one.value)) ??
                    options[0]
                  )?.value as never,
                },
                delaySeconds: 0,
              },
            ])
          }
        >
          {t("phoneFlow.addExtension")}
        </Button>
        <Button
          variant="default"
          size="xs"
          leftSection={<IconPlus size={14} aria-hidden />}
          onClick={() => onChange([...value, { target: { kind: "number", number: "+" }, delaySeconds: 0 }])}
        >
          {t("phoneFlow.addNumber")}
        </Button>
      </Row>
    </div>
  );
}
