import { ActionIcon, Alert, Button, Checkbox, Group, Select, Stack, TextInput } from "@mantine/core";
import { IconPlus, IconX } from "@tabler/icons-react";
import { useParams } from "@tanstack/react-router";
import { useRef } from "react";
import type { TimeConditionView } from "../../../../services/voice/elements/contract.ts";
import { callApi, invalidate, useApi } from "../../../api/api.ts";
import { queries } from "../../../frame/queries.ts";
import { useLanguage, useT } from "../../../i18n/i18n.ts";
import { ApiHint } from "../../../ui/ApiHint.tsx";
import { ErrorPage } from "../../../ui/ErrorPage.tsx";
import { FormSection } from "../../../ui/FormSection.tsx";
import { useForm } from "../../../ui/form.ts";
import { PageSkeleton } from "../../../ui/PageSkeleton.tsx";
import css from "../phone.module.css";
import { timeZones } from "../shared/countries.ts";
import { ElementPage } from "../shared/ElementPage.tsx";
import { narrow } from "../shared/narrow.ts";
import type { PhonePlace } from "../shared/PhonePage.tsx";
import { conditionForm } from "./conditionForm.tsx";
import { fitsGrid, fromGrid, slotsPerDay, toGrid } from "./hours.ts";

export default function TimeConditionPage() {
  const t = useT();
  const { condition: id } = useParams({ strict: false }) as { condition: string };
  const query = useApi("timeConditionGet", { timeCondition: id as never });
  if (query.error && !query.data) return <ErrorPage error={query.error} reset={() => void query.refetch()} />;
  if (!query.data) return <PageSkeleton />;
  const condition = query.data;
  return (
    <ElementPage tab="hours" form={conditionForm} element={condition} edit={t("phoneFlow.destinations")}>
      {(place) => (
        <>
          {condition.override !== "none" && (
            <Alert color="yellow" mb="lg" styles={{ message: { color: "var(--k-text)" } }}>
              {t("phoneFlow.overridden", { state: t(`phoneFlow.override.${condition.override}`) })}
            </Alert>
          )}
          <Hours key={condition.revision} condition={condition} place={place} />
          <Holidays key={`holidays ${condition.revision}`} condition={condition} may={place.may} />
        </>
      )}
    </ElementPage>
  );
}

const refresh = () => invalidate(queries, ["timeConditionGet", "timeConditionList"]);

function Hours({ condition, place }: { condition: TimeConditionView; place: PhonePlace }) {
  const t = useT();
  const { may } = place;
  const form = useForm({
    initial: { hours: condition.hours, timeZone: condition.timeZone ?? "" },
    submit: async () => {
      await callApi("timeConditionUpdate", request);
      await refresh();
    },
  });
  const { hours, timeZone } = form.values;
  const request = { timeCondition: condition.id, hours, timeZone: timeZone || null };
  return (
    <FormSection
      title={t("phoneFlow.hours")}
      text={t(matchMedia("(pointer: coarse)").matches ? "phoneFlow.hoursTouch" : "phoneFlow.hoursText")}
      form={form}
      disabled={!may}
    >
      {fitsGrid(hours) ? (
        <Week hours={hours} may={may} onChange={(next) => form.set("hours", next)} />
      ) : (
        <p className={css.muted}>{t("phoneFlow.hoursExact")}</p>
      )}
      <Times hours={hours} may={may} onChange={(next) => form.set("hours", next)} />
      <Select
        label={t("phone.timeZone")}
        searchable
        limit={50}
        classNames={narrow}
        disabled={!may}
        data={[
          { value: "", label: t("phoneFlow.zoneOfSystem", { zone: place.system.timeZone }) },
          ...timeZones(timeZone || place.system.timeZone).map((value) => ({ value, label: value })),
        ]}
        {...form.choice("timeZone")}
      />
      <ApiHint route="timeConditionUpdate" args={request} />
    </FormSection>
  );
}

type HoursProps = { hours: TimeConditionView["hours"]; may: boolean; onChange: (hours: TimeConditionView["hours"]) => void };

/** Monday to Sunday in the words of the language. */
function useDays(width: "short" | "long"): string[] {
  const format = new Intl.DateTimeFormat(useLanguage(), { weekday: width, timeZone: "UTC" });
  // The 5th of January 1970 was a Monday.
  return Array.from({ length: 7 }, (_, day) => format.format(new Date((4 + day) * 86_400_000)));
}

/** The week as half hours, painted by dragging; the times below say the same for whoever does not paint. */
function Week({ hours, may, onChange }: HoursProps) {
  const t = useT();
  const short = useDays("short");
  const grid = toGrid(hours);
  const painting = useRef<boolean>(undefined);
  const paint = (day: number, slot: number, open: boolean) =>
    onChange(fromGrid(grid.map((slots, at) => (at === day ? slots.map((one, index) => (index === slot ? open : one)) : slots))));
  return (
    <div
      className={css.week}
      aria-hidden
      onPointerUp={() => {
        painting.current = undefined;
      }}
      onPointerLeave={() => {
        painting.current = undefined;
      }}
    >
      <span />
      {short.map((day) => (
        <span key={day}>{day}</span>
      ))}
      {Array.from({ length: slotsPerDay / 2 }, (_, hour) => [
        // biome-ignore lint/suspicious/noArrayIndexKey: an hour of the day
        <span key={`hour ${hour}`}>{`${String(hour).padStart(2, "0")}:00`}</span>,
        ...short.map((day, at) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: an hour of the day
          <span key={`${day} ${hour}`} style={{ display: "grid", gridTemplateColumns: "1fr 1fr", gap: 1 }}>
            {[hour * 2, hour * 2 + 1].map((slot) => (
              <button
                key={slot}
                type="button"
                tabIndex={-1}
                disabled={!may}
                aria-pressed={grid[at]?.[slot] ?? false}
                title={t("phoneFlow.slot", { day, time: `${String(hour).padStart(2, "0")}:${slot % 2 === 0 ? "00" : "30"}` })}
                onPointerDown={(event) => {
                  event.currentTarget.releasePointerCapture(event.pointerId);
                  painting.current = !(grid[at]?.[slot] ?? false);
                  paint(at, slot, painting.current);
                }}
                onPointerEnter={() => {
                  if (painting.current !== undefined && grid[at]?.[slot] !== painting.current) paint(at, slot, painting.current);
                }}
              />
            ))}
          </span>
        )),
      ])}
    </div>
  );
}

function Times({ hours, may, onChange }: HoursProps) {
  const t = useT();
  const [short, long] = [useDays("short"), useDays("long")];
  const put = (index: number, change: Partial<TimeConditionView["hours"][number]>) =>
    onChange(hours.map((one, at) => (at === index ? { ...one, ...change } : one)));
  return (
    <Stack gap="md">
      {hours.map((one, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: their order is what one sees
        <div key={index}>
          <div className={css.days}>
            {short.map((day, at) => (
              <button
                key={day}
                type="button"
                className={css.day}
                title={long[at]}
                aria-pressed={one.days.includes(at + 1)}
                disabled={!may}
                onClick={() => {
                  const days = one.days.includes(at + 1)
                    ? one.days.filter((other) => other !== at + 1)
                    : [...one.days, at + 1].sort();
                  if (days.length > 0) put(index, { days });
                }}
              >
                {day}
              </button>
            ))}
          </div>
          <Group gap="sm" wrap="nowrap">
            <TextInput
              aria-label={t("phoneFlow.from")}
              type="time"
              value={one.from}
              disabled={!may}
              onChange={(event) => put(index, { from: event.currentTarget.value })}
            />
            <span aria-hidden>–</span>
            <TextInput
              aria-label={t("phoneFlow.until")}
              type="time"
              // An input of times has no 24:00.
              value={one.to === "24:00" ? "00:00" : one.to}
              disabled={!may}
              onChange={(event) =>
                put(index, { to: event.currentTarget.value === "00:00" ? "24:00" : event.currentTarget.value })
              }
            />
            {may && (
              <ActionIcon
                variant="subtle"
                color="gray"
                size={32}
                aria-label={t("phoneFlow.removeHours")}
                onClick={() => onChange(hours.filter((_, at) => at !== index))}
              >
                <IconX size={16} />
              </ActionIcon>
            )}
          </Group>
        </div>
      ))}
      {may && (
        <Button
          variant="default"
          size="xs"
          w="fit-content"
          leftSection={<IconPlus size={14} aria-hidden />}
          onClick={() => onChange([...hours, { days: [1, 2, 3, 4, 5], from: "09:00", to: "17:00" }])}
        >
          {t("phoneFlow.addHours")}
        </Button>
      )}
    </Stack>
  );
}

function Holidays({ condition, may }: { condition: TimeConditionView; may: boolean }) {
  const t = useT();
  const form = useForm({
    initial: { holidays: condition.holidays },
    submit: async ({ holidays }) => {
      await callApi("timeConditionUpdate", { timeCondition: condition.id, holidays });
      await refresh();
    },
  });
  const { holidays } = form.values;
  const put = (index: number, change: Partial<TimeConditionView["holidays"][number]>) =>
    form.set(
      "holidays",
      holidays.map((one, at) => (at === index ? { ...one, ...change } : one)),
    );
  const today = new Date().toISOString().slice(0, 10);
  return (
    <FormSection title={t("phoneFlow.holidays")} text={t("phoneFlow.holidaysText")} form={form} disabled={!may}>
      {holidays.map((one, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: their order is what one sees
        <Group key={index} gap="sm" align="flex-end">
          <TextInput
            label={t("ui.name")}
            flex="1 1 140px"
            value={one.name}
            disabled={!may}
            onChange={(event) => put(index, { name: event.currentTarget.value })}
          />
          <TextInput
            label={t("phoneFlow.firstDay")}
            type="date"
            value={one.from}
            disabled={!may}
            onChange={(event) => put(index, { from: event.currentTarget.value })}
          />
          <TextInput
            label={t("phoneFlow.lastDay")}
            type="date"
            value={one.to}
            disabled={!may}
            onChange={(event) => put(index, { to: event.currentTarget.value })}
          />
          <Checkbox
            pb={8}
            label={t("phoneFlow.yearly")}
            checked={one.yearly}
            disabled={!may}
            onChange={(event) => put(index, { yearly: event.currentTarget.checked })}
          />
          {may && (
            <ActionIcon
              variant="subtle"
              color="gray"
              size={36}
              aria-label={t("phoneFlow.removeHoliday", { name: one.name })}
              onClick={() =>
                form.set(
                  "holidays",
                  holidays.filter((_, at) => at !== index),
                )
              }
            >
              <IconX size={16} />
            </ActionIcon>
          )}
        </Group>
      ))}
      {may && (
        <Button
          variant="default"
          size="xs"
          w="fit-content"
          leftSection={<IconPlus size={14} aria-hidden />}
          onClick={() =>
            form.set("holidays", [...holidays, { name: t("phoneFlow.holiday"), from: today, to: today, yearly: false }])
          }
        >
          {t("phoneFlow.addHoliday")}
        </Button>
      )}
    </FormSection>
  );
}
