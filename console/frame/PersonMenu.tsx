import { Avatar, UnstyledButton, VisuallyHidden } from "@mantine/core";
import { useT } from "../i18n/i18n.ts";
import { Door } from "../ui/Door.tsx";
import { initials } from "../ui/initials.ts";
import { useIdentity } from "./identity.ts";

export function PersonMenu() {
  const t = useT();
  const { principal } = useIdentity();
  return (
    <Door
      load={() => import("./PersonItems.tsx")}
      given={{}}
      button={
        <UnstyledButton style={{ borderRadius: 8 }}>
          <Avatar size={30} radius="md" color="sky" variant="light" name={principal.name} aria-hidden>
            {initials(principal.name)}
          </Avatar>
          <VisuallyHidden>{t("frame.person", { name: principal.name })}</VisuallyHidden>
        </UnstyledButton>
      }
    />
  );
}
