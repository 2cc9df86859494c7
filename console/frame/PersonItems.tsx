import { Menu, Text, useComputedColorScheme, useMantineColorScheme } from "@mantine/core";
import { IconCode, IconLogout, IconMoon, IconShieldLock, IconSun, IconUser } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { callApi } from "../api/api.ts";
import { languageNames, languages, setLanguage, useLanguage, useT } from "../i18n/i18n.ts";
import type { BehindDoor } from "../ui/Door.tsx";
import { useIdentity } from "./identity.ts";

const PersonItems: BehindDoor = ({ button }) => {
  const t = useT();
  const language = useLanguage();
  const { principal, user } = useIdentity();
  const navigate = useNavigate();
  const queries = useQueryClient();
  const { setColorScheme } = useMantineColorScheme();
  const dark = useComputedColorScheme("light") === "dark";
  const signOut = async () => {
    await callApi("sessionDelete", { session: "current" }).catch(() => {});
    // Whoever sits here next is told nothing of this person's.
    const worker = await navigator.serviceWorker?.getRegistration();
    await worker?.pushManager?.getSubscription().then(
      (one) => one?.unsubscribe(),
      () => {},
    );
    await navigate({ to: "/sign-in" });
    queries.clear();
  };
  return (
    <Menu position="bottom-end" width={240} withinPortal={false}>
      <Menu.Target>{button}</Menu.Target>
      <Menu.Dropdown>
        <div style={{ padding: "8px 12px" }}>
          <Text fw={600} size="sm" truncate>
            {principal.name}
          </Text>
          <Text size="xs" c="dimmed" truncate>
            {user?.email}
          </Text>
        </div>
        <Menu.Divider />
        <Menu.Item leftSection={<IconUser size={16} stroke={1.6} />} component={Link} to="/account">
          {t("frame.profile")}
        </Menu.Item>
        <Menu.Item leftSection={<IconShieldLock size={16} stroke={1.6} />} component={Link} to="/account/security">
          {t("frame.security")}
        </Menu.Item>
        <Menu.Item
          leftSection={<IconCode size={16} stroke={1.6} />}
          component="a"
          href="/api/docs"
          target="_blank"
          rel="noreferrer"
        >
          {t("frame.apiReference")}
        </Menu.Item>
        <Menu.Divider />
        <Menu.Item
          hiddenFrom="sm"
          leftSection={dark ? <IconSun size={16} stroke={1.6} /> : <IconMoon size={16} stroke={1.6} />}
          onClick={() => setColorScheme(dark ? "light" : "dark")}
        >
          {dark ? t("frame.light") : t("frame.dark")}
        </Menu.Item>
        {languages
          .filter((other) => other !== language)
          .map((other) => (
            <Menu.Item key={other} hiddenFrom="sm" lang={other} onClick={() => void setLanguage(other)}>
              {languageNames[other]}
            </Menu.Item>
          ))}
        <Menu.Item leftSection={<IconLogout size={16} stroke={1.6} />} onClick={() => void signOut()}>
          {t("frame.signOut")}
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
};
export default PersonItems;
