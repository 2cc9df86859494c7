import type { Extension } from "../../../../services/voice/extensions/contract.ts";
import { callApi, invalidate } from "../../../api/api.ts";
import { queries } from "../../../frame/queries.ts";
import { useT } from "../../../i18n/i18n.ts";
import { ConfirmDestroy } from "../../../ui/ConfirmDestroy.tsx";

export function ExtensionDelete(props: { extensions: Extension[]; onClose: () => void; onGone?: () => void }) {
  const t = useT();
  const { extensions } = props;
  const [first] = extensions;
  return (
    <ConfirmDestroy
      opened
      onClose={props.onClose}
      title={
        extensions.length === 1
          ? t("phone.extension.deleteTitle", { name: first?.name ?? "" })
          : t("phone.extension.deleteMany", { count: extensions.length })
      }
      destroyed={[t("phone.extension.deleteDevices"), t("phone.extension.deleteVoicemail")]}
      kept={[t("phone.extension.deleteKept")]}
      typeName={extensions.length === 1 ? first?.number : undefined}
      action={t("phone.extension.delete")}
      onConfirm={async () => {
        try {
          for (const { id } of extensions) await callApi("extensionDelete", { extension: id });
        } finally {
          await invalidate(queries, ["extensionList", "phoneDirectoryList", "extensionPresenceList", "myExtensionList"]);
        }
        props.onGone?.();
      }}
    />
  );
}
