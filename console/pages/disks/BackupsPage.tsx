import { useCan } from "../../frame/identity.ts";
import { BackupList } from "./Backups.tsx";
import { DisksHeader } from "./DisksHeader.tsx";

export default function BackupsPage() {
  return (
    <>
      <DisksHeader tab="backups" />
      <BackupList may={useCan()("editor")} />
    </>
  );
}
