import { Button, Menu } from "@mantine/core";
import { IconChevronDown, IconFileUpload, IconFolderUp, IconUpload } from "@tabler/icons-react";
import { useRef } from "react";
import { useT } from "../../i18n/i18n.ts";
import { chosenTree } from "./dropped.ts";
import { uploads } from "./uploads.ts";

/** Files at once with one click, folders from the little menu: browsers let one choose only one of them. */
export function UploadButton({ bucket, prefix }: { bucket: string; prefix: string }) {
  const t = useT();
  const files = useRef<HTMLInputElement>(null);
  const folder = useRef<HTMLInputElement>(null);
  const take = (input: HTMLInputElement) => {
    if (input.files?.length) uploads.add(bucket, prefix, chosenTree(input.files).files);
    // So that choosing the same file again is a change.
    input.value = "";
  };
  return (
    <>
      <Menu position="bottom-end" width={200}>
        <Menu.Target>
          <Button leftSection={<IconUpload size={16} aria-hidden />} rightSection={<IconChevronDown size={14} aria-hidden />}>
            {t("objects.upload")}
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item leftSection={<IconFileUpload size={16} aria-hidden />} onClick={() => files.current?.click()}>
            {t("objects.upload.files")}
          </Menu.Item>
          <Menu.Item leftSection={<IconFolderUp size={16} aria-hidden />} onClick={() => folder.current?.click()}>
            {t("objects.upload.folder")}
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
      <input ref={files} type="file" multiple hidden aria-hidden tabIndex={-1} onChange={(event) => take(event.currentTarget)} />
      <input
        ref={folder}
        type="file"
        multiple
        hidden
        aria-hidden
        tabIndex={-1}
        onChange={(event) => take(event.currentTarget)}
        {...{ webkitdirectory: "" }}
      />
    </>
  );
}
