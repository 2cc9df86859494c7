import { notifications } from "@mantine/notifications";
import { createElement } from "react";
import { errorText } from "../api/errors.ts";
import { translate } from "../i18n/i18n.ts";
import { UndoToast } from "./UndoToast.tsx";

/** Only for what cannot be seen where one looks anyway. */
export const toastDone = (message: string): void => {
  notifications.show({ message, color: "green", withBorder: true, closeButtonProps: { "aria-label": translate("ui.close") } });
};

export const toastError = (error: unknown): void => {
  notifications.show({
    message: typeof error === "string" ? error : errorText(error),
    color: "red",
    withBorder: true,
    autoClose: 8000,
    closeButtonProps: { "aria-label": translate("ui.close") },
  });
};

const undoMs = 8000;

/** What was done, with the way back for a few seconds. */
export function toastUndo(message: string, undo: () => unknown): void {
  const id = crypto.randomUUID();
  notifications.show({
    id,
    withBorder: true,
    autoClose: undoMs,
    closeButtonProps: { "aria-label": translate("ui.close") },
    message: createElement(UndoToast, {
      message,
      onUndo: () => {
        notifications.hide(id);
        void Promise.resolve(undo()).catch(toastError);
      },
    }),
  });
}
