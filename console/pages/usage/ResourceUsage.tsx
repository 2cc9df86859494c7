import type { Answer } from "../../api/api.ts";
import { useFormat } from "../../i18n/format.ts";
import { translateMaybe, useLanguage, useT } from "../../i18n/i18n.ts";
import { DataList } from "../../ui/list/DataList.tsx";
import { useListState } from "../../ui/list/state.ts";
import { averageOf, measureOf, rank } from "./meters.ts";
import { type Period, stepHours } from "./period.ts";
import { meterName } from "./UsageMeter.tsx";
import css from "./usage.module.css";

type ByResource = Answer<"usageSummarize">["byResource"];

interface Row {
  id: string;
  kind: string;
  name: string;
  totals: Record<string, number>;
}

/** Where calls went is a country (ISO 3166; ZZ: unknown). */
function nameOf({ kind, id, name = id }: ByResource[number]["resource"], language: string): string {
  return kind === "destination" ? (new Intl.DisplayNames([language], { type: "region" }).of(name) ?? name) : name;
}

/** Who used it: one line for each resource with all that it used; of one kind a column for each meter, by which it is sorted. */
export function ResourceUsage({ rows, period, now }: { rows: ByResource; period: Period; now: Date }) {
  const t = useT();
  const format = useFormat();
  const language = useLanguage();
  const [hours = 0] = stepHours([period.from.toISOString()], period, now);
  const byId = new Map<string, Row>();
  const units = new Map<string, string>();
  for (const { meter, unit, resource, total } of rows) {
    units.set(meter, unit);
    const row = byId.get(resource.id) ?? { id: resource.id, kind: resource.kind, name: nameOf(resource, language), totals: {} };
    const level = measureOf(unit).kind === "level";
    row.totals[meter] = level ? averageOf(Number(total), unit, hours) : Number(total);
    byId.set(resource.id, row);
  }
  const meters = [...units].sort(([a], [b]) => rank(a) - rank(b));
  const show = (totals: Row["totals"], meter: string, unit: string) =>
    totals[meter] === undefined ? null : measureOf(unit).format(totals[meter], format);
  const kind = (row: Row) => translateMaybe(`usage.kind.${row.kind}`) ?? row.kind;
  const kinds = new Map([...byId.values()].map((row) => [row.kind, kind(row)]));
  const chosen = useListState().filter("kind");
  const ofKind = meters.filter(([meter]) => [...byId.values()].some((row) => row.kind === chosen && meter in row.totals));
  return (
    <section className={css.resources} aria-labelledby="usage-resources">
      <h2 id="usage-resources">{t("usage.byResource")}</h2>
      <DataList
        id="usage"
        label={t("usage.byResource")}
        list={{ rows: [...byId.values()] }}
        rowKey={({ id }) => id}
        rowName={({ name }) => name}
        filters={[
          {
            key: "kind",
            label: t("usage.kind"),
            options: [...kinds].map(([value, label]) => ({ value, label })),
            fits: (row, value) => row.kind === value,
          },
        ]}
        search={({ name, id }) => `${name} ${id}`}
        columns={[
          {
            key: "name",
            header: t("usage.resource"),
            primary: true,
            width: "minmax(160px, 2fr)",
            cell: ({ name }) => name,
            sort: ({ name }) => name,
          },
          { key: "kind", header: t("usage.kind"), width: "minmax(132px, 150px)", cell: kind, sort: kind },
          ...(chosen === undefined
            ? [
                {
                  key: "used",
                  header: t("usage.used"),
                  width: "minmax(240px, 5fr)",
                  phone: "bare" as const,
                  cell: ({ totals }: Row) => (
                    <span className={css.used}>
                      {meters
                        .filter(([meter]) => meter in totals)
                        .map(([meter, unit]) => (
                          <span key={meter}>
                            <small>{meterName(meter)}</small>
                            {show(totals, meter, unit)}
                          </span>
                        ))}
                    </span>
                  ),
                },
              ]
            : ofKind.map(([meter, unit]) => ({
                key: meter,
                header: meterName(meter),
                align: "right" as const,
                width: "minmax(96px, 1fr)",
                cell: ({ totals }: Row) => show(totals, meter, unit),
                sort: ({ totals }: Row) => totals[meter] ?? 0,
              }))),
        ]}
        empty={null}
      />
    </section>
  );
}
