import { Button, Stack, TextInput } from "@mantine/core";
import { IconPencil, IconPlus, IconTrash } from "@tabler/icons-react";
import { useNavigate } from "@tanstack/react-router";
import { type ReactNode, useState } from "react";
import { type Answer, callApi, invalidate, type RouteKey, useApiList } from "../../../api/api.ts";
import { queries } from "../../../frame/queries.ts";
import { useT } from "../../../i18n/i18n.ts";
import { ApiHint } from "../../../ui/ApiHint.tsx";
import { ConfirmDestroy } from "../../../ui/ConfirmDestroy.tsx";
import { EmptyState } from "../../../ui/EmptyState.tsx";
import { FormDialog } from "../../../ui/FormDialog.tsx";
import { required, useForm } from "../../../ui/form.ts";
import { DataList } from "../../../ui/list/DataList.tsx";
import type { Column } from "../../../ui/list/types.ts";
import type { PictureName } from "../../../ui/Picture.tsx";
import { Section } from "../../../ui/Section.tsx";
import { narrow } from "./narrow.ts";
import { PhonePage, type PhonePlace, type PhoneTab } from "./PhonePage.tsx";

/** The kinds of elements that calls can lead to: each has the same five routes. */
export type ElementKind =
  | "ringGroup"
  | "callQueue"
  | "phoneMenu"
  | "conferenceRoom"
  | "timeCondition"
  | "announcement"
  | "pagingGroup"
  | "parkingLot"
  | "speedDial"
  | "blockedCaller";
export type ElementView<K extends ElementKind> = Answer<`${K}Get`>;
interface Any {
  id: string;
  name: string;
  number?: string | undefined;
}

/** Has it a number of its own: it must, it may, or it has none. */
type Numbered = "required" | "optional" | "none";
export type FormOf<F extends object> = ReturnType<typeof useForm<F>>;

export interface ElementForm<K extends ElementKind, F extends object> {
  kind: K;
  numbered: Numbered;
  /** Of a new one, and of one that is there. */
  values: (element: ElementView<K> | undefined) => F;
  /** As the API has them; where something is taken away, undefined when it is made and null when it is changed. */
  body: (values: F, empty: null | undefined) => object;
  checks?: Parameters<typeof useForm<F>>[0]["checks"];
  fields: (form: FormOf<F & { name: string; number: string }>, place: PhonePlace) => ReactNode;
}

/** A form, and the list of what it makes. */
type ListProps<K extends ElementKind, F extends object> = ElementForm<K, F> & {
  /** Words: `phone.<words>.new`, `.empty`, `.emptyText`. */
  words: ElementWords;
  columns: (place: PhonePlace) => Column<ElementView<K>>[];
  /** Where one of them has a page of its own. */
  address?: (element: ElementView<K>, place: PhonePlace) => string;
};
type ElementWords =
  | "groups"
  | "queues"
  | "menus"
  | "hours"
  | "announcements"
  | "conferences"
  | "paging"
  | "parking"
  | "speedDials"
  | "blocked";

/** A page that lists one kind, makes, changes and deletes them. */
export function ElementsPage<K extends ElementKind, F extends object>(props: ListProps<K, F> & { tab: PhoneTab; text: string }) {
  const t = useT();
  const [making, setMaking] = useState(false);
  return (
    <PhonePage
      tab={props.tab}
      text={props.text}
      actions={({ may }) =>
        may && (
          <Button leftSection={<IconPlus size={16} aria-hidden />} onClick={() => setMaking(true)}>
            {t(`phone.${props.words}.new`)}
          </Button>
        )
      }
    >
      {(place) => (
        <>
          <Elements {...props} place={place} onMake={() => setMaking(true)} />
          {making && <ElementDialog {...props} place={place} onClose={() => setMaking(false)} />}
        </>
      )}
    </PhonePage>
  );
}

/** The same as a part of a page with several kinds. */
export function ElementsSection<K extends ElementKind, F extends object>(
  props: ListProps<K, F> & { place: PhonePlace; title: string; text: string },
) {
  const t = useT();
  const [making, setMaking] = useState(false);
  return (
    <Section
      title={props.title}
      text={props.text}
      flush
      actions={
        props.place.may && (
          <Button variant="default" leftSection={<IconPlus size={16} aria-hidden />} onClick={() => setMaking(true)}>
            {t(`phone.${props.words}.new`)}
          </Button>
        )
      }
    >
      <Elements {...props} inSection />
      {making && <ElementDialog {...props} onClose={() => setMaking(false)} />}
    </Section>
  );
}

function Elements<K extends ElementKind, F extends object>(
  props: ListProps<K, F> & { place: PhonePlace; inSection?: boolean; onMake?: () => void },
) {
  const t = useT();
  const navigate = useNavigate();
  const { kind, place } = props;
  const [changing, setChanging] = useState<ElementView<K>>();
  const [removing, setRemoving] = useState<ElementView<K>>();
  const list = useApiList(`${kind}List` as "ringGroupList", { phoneSystem: place.system.id });
  const as = (element: unknown) => element as ElementView<K> & Any;
  const edit = (element: ElementView<K>) => {
    if (props.address) void navigate({ to: props.address(element, place) });
    else setChanging(element);
  };
  return (
    <>
      <DataList<ElementView<K>>
        id={`phone-${kind}`}
        label={t(`phone.${props.words}.new`)}
        list={list as never}
        rowKey={(row) => as(row).id}
        rowName={(row) => as(row).name}
        {...(props.inSection ? {} : { search: (row: ElementView<K>) => `${as(row).name} ${as(row).number ?? ""}` })}
        {...(props.address
          ? { rowAddress: (row: ElementView<K>) => props.address?.(row, place) }
          : place.may
            ? { onOpen: setChanging }
            : {})}
        columns={[
          {
            key: "name",
            header: t("ui.name"),
            primary: true,
            width: "minmax(140px, 1.4fr)",
            cell: (row) => as(row).name,
            sort: (row) => as(row).name,
          },
          ...(props.numbered === "none"
            ? []
            : [
                {
                  key: "number",
                  header: t("phone.number"),
                  width: "minmax(80px, 110px)",
                  cell: (row: ElementView<K>) => as(row).number ?? null,
                  sort: (row: ElementView<K>) => as(row).number,
                },
              ]),
          ...props.columns(place),
        ]}
        {...(place.may
          ? {
              rowActions: (row: ElementView<K>) => [
                { label: t("phone.edit"), icon: IconPencil, onClick: () => edit(row) },
                { label: t("phone.delete"), icon: IconTrash, danger: true, onClick: () => setRemoving(row) },
              ],
            }
          : {})}
        empty={
          props.inSection ? (
            <p style={{ margin: 0, padding: 20, color: "var(--k-muted)" }}>{t(`phone.${props.words}.empty`)}</p>
          ) : (
            <EmptyState
              picture={pictures[kind] ?? "people"}
              title={t(`phone.${props.words}.empty`)}
              text={t(`phone.${props.words}.emptyText`)}
              action={place.may && <Button onClick={props.onMake}>{t(`phone.${props.words}.new`)}</Button>}
            />
          )
        }
      />
      {changing && <ElementDialog {...props} element={changing} onClose={() => setChanging(undefined)} />}
      {removing && <ElementDelete kind={kind} element={as(removing)} onClose={() => setRemoving(undefined)} />}
    </>
  );
}

const pictures: Partial<Record<ElementKind, PictureName>> = {
  phoneMenu: "tree",
  timeCondition: "clock",
  announcement: "loudspeaker",
};

export function ElementDelete(props: { kind: ElementKind; element: Any; onClose: () => void; onGone?: () => void }) {
  const t = useT();
  const { kind, element } = props;
  return (
    <ConfirmDestroy
      opened
      onClose={props.onClose}
      title={t("phone.deleteTitle", { name: element.name })}
      destroyed={[t("phone.deleteSettings", { name: element.name })]}
      kept={[t("phone.deleteKept")]}
      action={t("phone.delete")}
      onConfirm={async () => {
        await callApi(`${kind}Delete` as "ringGroupDelete", { [kind]: element.id } as never);
        await invalidate(queries, [`${kind}List`, "phoneDirectoryList"] as RouteKey[]);
        props.onGone?.();
      }}
    />
  );
}

/** Makes one, or changes it. */
export function ElementDialog<K extends ElementKind, F extends object>(
  props: ListProps<K, F> & { place: PhonePlace; element?: ElementView<K>; onClose: () => void },
) {
  const t = useT();
  const navigate = useNavigate();
  const { kind, place, element } = props;
  const known = element as Any | undefined;
  const request = (values: F & { name: string; number: string }) => {
    const empty = known ? null : undefined;
    return {
      ...(known ? { [kind]: known.id } : { phoneSystem: place.system.id }),
      name: values.name,
      ...(props.numbered === "none" ? {} : { number: values.number === "" ? empty : values.number }),
      ...props.body(values, empty),
    };
  };
  const form = useForm<F & { name: string; number: string }>({
    initial: { ...props.values(element), name: known?.name ?? "", number: known?.number ?? "" },
    checks: {
      ...props.checks,
      name: required,
      number: (number: string) =>
        (number === "" && props.numbered !== "required") || props.numbered === "none" || /^\d{2,8}$/.test(number)
          ? undefined
          : t("phone.numberRule"),
    } as never,
    submit: async (values) => {
      const made = (await callApi((known ? `${kind}Update` : `${kind}Create`) as RouteKey, request(values) as never)) as never;
      await invalidate(queries, [`${kind}List`, `${kind}Get`, "phoneDirectoryList"] as RouteKey[]);
      props.onClose();
      if (!known && props.address) await navigate({ to: props.address(made, place) });
    },
  });
  return (
    <FormDialog
      opened
      onClose={props.onClose}
      title={known ? known.name : t(`phone.${props.words}.new`)}
      form={form}
      size="lg"
      action={t(known ? "ui.save" : `phone.${props.words}.new`)}
      hint={<ApiHint route={(known ? `${kind}Update` : `${kind}Create`) as RouteKey} args={request(form.values)} />}
    >
      <Stack gap="md">
        <TextInput label={t("ui.name")} data-autofocus autoComplete="off" {...(form.field("name") as object)} />
        {props.numbered !== "none" && (
          <TextInput
            label={t("phone.number")}
            description={t(props.numbered === "required" ? "phone.numberDialled" : "phone.numberOptional")}
            inputMode="numeric"
            classNames={narrow}
            autoComplete="off"
            {...(form.field("number") as object)}
          />
        )}
        {props.fields(form, place)}
      </Stack>
    </FormDialog>
  );
}
