import { Button } from "@mantine/core";
import { IconPencil, IconTrash } from "@tabler/icons-react";
import { useNavigate } from "@tanstack/react-router";
import { type ReactNode, useState } from "react";
import { useT } from "../../../i18n/i18n.ts";
import { ElementDelete, ElementDialog, type ElementForm, type ElementKind, type ElementView } from "./Elements.tsx";
import { PhonePage, type PhonePlace, usePhoneHome } from "./PhonePage.tsx";

interface Props<K extends ElementKind, F extends object> {
  /** Of the list that it is in, and of its words. */
  tab: "queues" | "menus" | "hours" | "conferences";
  form: ElementForm<K, F>;
  element: ElementView<K> & { id: string; name: string };
  text?: ReactNode;
  /** What the dialog changes, where that is not all of it. */
  edit?: string;
  children: (place: PhonePlace) => ReactNode;
}

/** The page of one thing that calls go to: its settings in a dialog, its deletion, and what stands below. */
export function ElementPage<K extends ElementKind, F extends object>({ tab, form, element, text, edit, children }: Props<K, F>) {
  const t = useT();
  const navigate = useNavigate();
  const home = usePhoneHome();
  const [dialog, setDialog] = useState<"edit" | "delete">();
  const close = () => setDialog(undefined);
  return (
    <PhonePage
      tab={tab}
      title={element.name}
      text={text}
      back={{ to: `${home}/${tab}`, label: t(`phone.tab.${tab}`) }}
      actions={({ may }) =>
        may && (
          <>
            <Button variant="default" leftSection={<IconPencil size={16} aria-hidden />} onClick={() => setDialog("edit")}>
              {edit ?? t("phone.edit")}
            </Button>
            <Button variant="default" leftSection={<IconTrash size={16} aria-hidden />} onClick={() => setDialog("delete")}>
              {t("phone.delete")}
            </Button>
          </>
        )
      }
    >
      {(place) => (
        <>
          {children(place)}
          {dialog === "edit" && (
            <ElementDialog {...form} words={tab} columns={() => []} place={place} element={element} onClose={close} />
          )}
          {dialog === "delete" && (
            <ElementDelete
              kind={form.kind}
              element={element}
              onClose={close}
              onGone={() => void navigate({ to: `${home}/${tab}` })}
            />
          )}
        </>
      )}
    </PhonePage>
  );
}
