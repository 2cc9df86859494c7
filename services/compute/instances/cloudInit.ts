import { invalid } from "../../../kernel/errors.ts";

/**
 * cloud-init's vendor data of every instance: people sign in with their keys, as the image's own user (with sudo) and as root, and
 * nobody with a password over the network. The user's own user data goes before it where both say something.
 * JSON is YAML, so nothing has to be escaped.
 */
export function vendorData({ defaultUser, sshKeys }: { defaultUser: string; sshKeys: readonly string[] }): string {
  const config = {
    ssh_pwauth: false,
    disable_root: false,
    manage_etc_hosts: "localhost",
    ...(sshKeys.length > 0 ? { ssh_authorized_keys: sshKeys } : {}),
    // With no other user cloud-init gives the keys to root. The rest of a named one (shell, groups) is as the image has it.
    ...(defaultUser === "root"
      ? { users: [] }
      : { user: { name: defaultUser, lock_passwd: true, sudo: "ALL=(ALL) NOPASSWD:ALL" } }),
  };
  return `#cloud-config\n${JSON.stringify(config, undefined, 2)}\n`;
}

/** What cloud-init knows a part by; anything else it passes over in silence. */
const headers = [
  "#cloud-config",
  "#!",
  "#include",
  "#cloud-boothook",
  "#part-handler",
  "## template: jinja",
  "Content-Type:",
  "MIME-Version:",
  "From ",
];

/** invalid_argument for user data that cloud-init would not run. */
export function checkUserData(userData: string | undefined): void {
  if (userData === undefined || userData.trim() === "") return;
  if (headers.some((header) => userData.toLowerCase().startsWith(header.toLowerCase()))) return;
  throw invalid(
    "body.userData",
    "cloud-init would pass this over: user data begins with #cloud-config (settings) or with #! (a script), in its very first line.",
  );
}
