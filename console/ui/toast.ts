import type { NotificationData } from "@mantine/notifications";
import { createElement } from "react";
import { errorText } from "../api/errors.ts";
import { translate } from "../i18n/i18n.ts";
import { UndoToast } from "./UndoToast.tsx";

// Fetched with the first message: no page needs them to be seen.
const show = (message: NotificationData) =>
  void import("@mantine/notifications").then(({ notifications }) => notifications.show({ withBorder: true, ...message }));
const hide = (id: string) => void import("@mantine/notifications").then(({ notifications }) => notifications.hide(id));

/** Only for what cannot be seen where one looks anyway. */
export const toastDone = (message: string): void => {
  show({ message, color: "green", closeButtonProps: { "aria-label": translate("ui.close") } });
};

export const toastError = (error: unknown): void => {
  show({
    message: typeof error === "string" ? error : errorText(error),
    color: "red",
    autoClose: 8000,
    closeButtonProps: { "aria-label": translate("ui.close") },
  });
};

const undoMs = 8000;

/** What was done, with the way back for a few seconds. */
export function toastUndo(message: string, undo: () => unknown): void {
  const id = crypto.randomUUID();
  show({
    id,
    autoClose: undoMs,
    closeButtonProps: { "aria-label": translate("ui.close") },
    message: createElement(UndoToast, {
      message,
      onUndo: () => {
        hide(id);
        void Promise.resolve(undo()).catch(toastError);
      },
    }),
  });
}
