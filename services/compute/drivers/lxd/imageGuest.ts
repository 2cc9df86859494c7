/** What is put into a fresh root file system so that it is a good guest: files, and a script that runs once around it. */
import { emptyTmp } from "../../../../kernel/distribution/mmdebstrap.ts";
import type { ImageRecipe } from "./imageRecipes.ts";

const basePackages = [
  // In Ubuntu it is not among what every system has.
  "apt",
  "systemd",
  "systemd-sysv",
  "libpam-systemd",
  "udev",
  "dbus",
  "openssh-server",
  "cloud-init",
  "iproute2",
  "iputils-ping",
  "curl",
  "ca-certificates",
  "sudo",
  "netcat-openbsd",
  "locales",
  "less",
  "nano",
  "procps",
];

export const aptPackages = (recipe: ImageRecipe): readonly string[] => [
  ...basePackages,
  // Until 22.04 Ubuntu had it in the package systemd.
  ...(recipe.release === "jammy" ? [] : ["systemd-resolved"]),
  ...(recipe.distribution === "ubuntu" ? ["netplan.io", "lsb-release"] : []),
];

export const alpinePackages = [
  "alpine-base",
  "openrc",
  "openssh",
  "cloud-init",
  "iproute2",
  "iputils",
  "curl",
  "ca-certificates",
  "sudo",
  "bash",
  "shadow",
  "e2fsprogs",
  "dhcpcd",
];

/** Every client since 2014 takes them; an RSA key would cost a second of the first start. */
const hostKeyTypes = ["ecdsa", "ed25519"];

const makeHostKey = (type: string): string => {
  const file = `/etc/ssh/ssh_host_${type}_key`;
  return `ExecStartPre=/bin/sh -c '[ -e ${file} ] || exec ssh-keygen -q -t ${type} -N "" -f ${file}'`;
};

const cloudConfig = (
  network: string,
) => `# The engine's own data source first; the seeds that it writes into the instance where it has none.
datasource_list: [LXD, NoCloud, None]
locale: C.UTF-8
ssh_genkeytypes: [${hostKeyTypes.join(", ")}]
# The guest keeps the sources that it was built from.
apt:
  preserve_sources_list: true
system_info:
  network:
    renderers: [${network}]
`;

const sshd = `# A password is too little to protect root; a key is welcome.
PermitRootLogin prohibit-password
`;

/** Keys are made at the first start, for guests that cloud-init does not touch too. */
const sshKeys = `[Service]
ExecStartPre=
${hostKeyTypes.map(makeHostKey).join("\n")}
ExecStartPre=/usr/sbin/sshd -t
`;

/** Cards that nobody has configured, such as one that was added while the guest ran. */
const dhcp = `[Match]
Name=eth* en*

[Network]
DHCP=yes

[DHCPv4]
ClientIdentifier=mac
`;

const notInContainers = `[Unit]
ConditionVirtualization=!container
`;

/** One address is enough to go on, and a guest without a card is no failure. */
const waitOnline = `[Service]
ExecStart=
ExecStart=-/lib/systemd/systemd-networkd-wait-online --any --timeout=8
`;

/** Path and content; folders are made. */
export function guestFiles(recipe: ImageRecipe, sources: readonly string[]): Record<string, string> {
  if (recipe.distribution === "alpine")
    return {
      "etc/cloud/cloud.cfg.d/90-engine.cfg": cloudConfig("eni"),
      "etc/ssh/sshd_config.d/10-root.conf": sshd,
      "etc/network/interfaces": "auto lo\niface lo inet loopback\n\nauto eth0\niface eth0 inet dhcp\n",
      "etc/apk/repositories": `${sources.join("\n")}\n`,
    };
  return {
    "etc/apt/sources.list": `${sources.join("\n")}\n`,
    "etc/cloud/cloud.cfg.d/90-engine.cfg": cloudConfig(recipe.distribution === "debian" ? "networkd" : "netplan, networkd"),
    "etc/ssh/sshd_config.d/10-root.conf": sshd,
    "etc/systemd/system/ssh.service.d/keys.conf": sshKeys,
    "etc/systemd/network/90-dhcp.network": dhcp,
    "etc/systemd/system/systemd-binfmt.service.d/container.conf": notInContainers,
    "etc/systemd/system/e2scrub_reap.service.d/container.conf": notInContainers,
    "etc/systemd/system/systemd-networkd-wait-online.service.d/any.conf": waitOnline,
    "etc/default/locale": "LANG=C.UTF-8\n",
  };
}

/** $1: the root file system. What is in it runs in it; what every guest must have of its own is taken out. */
export const aptScript = `set -eu
root=$1
chroot "$root" systemctl --quiet enable systemd-networkd.service systemd-resolved.service ssh.service
rm -f "$root/etc/apt/apt.conf.d/99mmdebstrap" "$root/etc/dpkg/dpkg.cfg.d/99mmdebstrap" "$root/usr/sbin/policy-rc.d"
chroot "$root" apt-get clean
rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/*.bin "$root"/var/cache/debconf/*-old "$root"/var/lib/dpkg/*-old
`;

export const alpineScript = `set -eu
root=$1
for service in devfs dmesg; do chroot "$root" rc-update add $service sysinit >/dev/null; done
for service in hostname networking bootmisc syslog; do chroot "$root" rc-update add $service boot >/dev/null; done
for service in sshd crond; do chroot "$root" rc-update add $service default >/dev/null; done
chroot "$root" setup-cloud-init >/dev/null 2>&1 || for service in cloud-init-local cloud-init cloud-config cloud-final; do chroot "$root" rc-update add $service default; done
grep -q '^console::' "$root/etc/inittab" || echo 'console::respawn:/sbin/getty 38400 console' >>"$root/etc/inittab"
sed -i -e '/^tty[0-9]/d' "$root/etc/inittab"
rm -rf "$root"/var/cache/apk/*
`;

export const commonScript = `set -eu
root=$1
rm -f "$root"/etc/ssh/ssh_host_* "$root"/etc/.resolv.conf.* "$root/var/lib/dbus/machine-id" "$root"/etc/*- "$root/root/.bash_history"
[ ! -d "$root/etc/systemd" ] || : >"$root/etc/machine-id"
if [ -d "$root/etc/systemd" ]; then ln -sf ../run/systemd/resolve/stub-resolv.conf "$root/etc/resolv.conf"; fi
: >"$root/etc/hostname"
find "$root/var/log" -type f -delete
rm -rf "$root"/var/tmp/* "$root"/run/* "$root"/var/lib/cloud
${emptyTmp}
`;
