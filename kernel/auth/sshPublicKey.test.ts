import assert from "node:assert/strict";
import { test } from "node:test";
import { CloudError } from "../errors.ts";
import { parsePublicKey } from "./sshPublicKey.ts";

/** Made, and their fingerprints printed, by OpenSSH's ssh-keygen 9.2. */
const keys = [
  [
    "Ed25519",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPdXo4dFs1TgVX8FOFr/eH7EvXKrvJFxAIHsXp3rxrmv me@host",
    "SHA256:4vvx9G4bOcvbnYBVSwldVS6i9AjJIpKcspLO5i70AX8",
  ],
  [
    "RSA with 2048 bits",
    "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQDH1Dtcd2JSbsRH6G3PQh5jNufIuW5qJrMY5CzdyrnX0BRvMivwhR+gLiw/7tSb21QDIITCsa6wCsDHbloMDV+tOwb2f0UU+3diTonDWNpRM6ttT9016z1t9RDVD3do2Z9t71YIDKsjGi8XokSGQojNZ+CgOjkaHGAfSPCZ0aFjbXCO3aEnnb/3dDcsBr8GEWYlr0R7URYCTp3rXzK8Sxd/gk+6pVC2IrKdp0is11dJkW7CQC+zZPCg8faL7PrsZZBIPGYIUSHFkX1KrFJc4htf+lEpPX4SAc5etY/zmuHyAkGUypF+K5fcoenOqneF6hZdr28QixShUKJdisRwznXt me@host",
    "SHA256:AmIOSgtjIefmAqCiGBc35svR/BteELbVNw01DjgZJJs",
  ],
  [
    "ECDSA P-256",
    "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBKiikZaoMCegoRq4K7i9iHpY0qETsOnj1lKy7fPb83j044yAPbNa54mbEkdCOC+7HCG1sXXHGeFjC/To71dAByM= me@host",
    "SHA256:Jm3bZZJn7S1x9KDYivSBidbFmJJo8XrP/dGpqpyv3dc",
  ],
  [
    "ECDSA P-384",
    "ecdsa-sha2-nistp384 AAAAE2VjZHNhLXNoYTItbmlzdHAzODQAAAAIbmlzdHAzODQAAABhBH7Vm+tK/2Tsk75w/zuaLEfQxOKRcXmsnYJCPmHhSFEHtOmS5slVbgSmzyUgEADSnKr6ldzrd46YrRGjp3oUIUhVvMeZMrWkSWg0+bUYMqGohqoJgySaaAK/hu7PJg+BiA== me@host",
    "SHA256:Y1wBNornxgcuU6Khcc42mXV2L1kA7H5DsKpThxJR3jk",
  ],
  [
    "ECDSA P-521",
    "ecdsa-sha2-nistp521 AAAAE2VjZHNhLXNoYTItbmlzdHA1MjEAAAAIbmlzdHA1MjEAAACFBABu/DhjLzl67UzDpNSfjs15G2YFgiI+vms3HDRvjiHWd3u+3bRSZobgcOPAe4Xg4Sw3A1rVGsN6za2YEdt4tG6vnAGpAlVmoXO6C0Pn8KyT5sFd/v/KX97OvYnrXbS3f1tL8de2JaeJ1VhMxQNHDAaVMCr8vpPPs8uHGDrr4SJcX/X1kQ== me@host",
    "SHA256:yYpoCryPytCvc9PtUye8PA88/5qE/GVMzSCyNiQIYMg",
  ],
] as const;
const weak =
  "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQDHaxDwQw8ssq1Jjr7JAnooIWxHckXKu3ALhY3VEhKdmcyMyUUwider6lDTUiRYW0z80qMYae11bEV4hoGYEiD6SJRDcIIPntAloit+rCBosXoaSQsKsi2SXCRetVsvxwJV7xLwIChRruxmTO6y7HH3qYzckiFDnLmPDgf11ItqCw== root@vm";

for (const [name, line, fingerprint] of keys) {
  test(`${name}: accepted, with the fingerprint that ssh-keygen prints`, () => {
    const key = parsePublicKey(`  ${line}\n`, "body.publicKey");
    assert.deepEqual(key, { type: line.split(" ")[0], fingerprint, line });
  });

  test(`${name}: refused when a letter is missing or changed`, () => {
    const [type = "", base64 = ""] = line.split(" ");
    for (const damaged of [`${type} ${base64.slice(0, -4)}`, `${type} ${base64.slice(4)}`, `ssh-dss ${base64}`, type])
      assert.throws(() => parsePublicKey(damaged, "body.publicKey"), { code: "invalid_argument" }, damaged);
  });
}

const field = (bytes: Uint8Array | string) => {
  const content = Buffer.from(bytes as string);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(content.length);
  return Buffer.concat([length, content]);
};
const wire = (type: string, ...fields: (Uint8Array | string)[]) =>
  `${type} ${Buffer.concat([type, ...fields].map(field)).toString("base64")}`;

test("keys of security keys (sk-) are accepted", () => {
  const point = Buffer.concat([Buffer.of(4), Buffer.alloc(64, 1)]);
  for (const line of [
    wire("sk-ssh-ed25519@openssh.com", Buffer.alloc(32, 1), "ssh:"),
    wire("sk-ecdsa-sha2-nistp256@openssh.com", "nistp256", point, "ssh:"),
  ])
    assert.equal(parsePublicKey(line, "k").line, line);
});

test("what is no acceptable public key is refused, saying what to do", () => {
  for (const [given, says] of [
    [weak, /only 1024 bits; it needs at least 2048.*ssh-keygen -t ed25519/],
    ["-----BEGIN OPENSSH PRIVATE KEY-----\nb3Blb", /private key, which never leaves your computer/],
    ["---- BEGIN SSH2 PUBLIC KEY ----", /ssh-keygen -i -f/],
    ["-----BEGIN PUBLIC KEY-----\nMII", /ssh-keygen -i -m PKCS8/],
    [`${keys[0][1]}\n${keys[1][1]}`, /one key, in one line/],
    [`command="ls" ${keys[0][1]}`, /begins with its type/],
    [wire("ssh-dss", "x"), /DSA keys are not safe/],
    [wire("ssh-ed25519-cert-v01@openssh.com", "x"), /certificate/],
    [wire("ssh-xmss@openssh.com", "x"), /not accepted. There are: ssh-ed25519/],
    [wire("ecdsa-sha2-nistp256", "nistp384", Buffer.alloc(65, 4)), /damaged/],
    [wire("ssh-ed25519", Buffer.alloc(31)), /damaged/],
    ["", /begins with its type/],
  ] as const)
    assert.throws(
      () => parsePublicKey(given, "body.publicKey"),
      (error) =>
        CloudError.is(error, "invalid_argument") &&
        says.test(error.message) &&
        error.details.fields?.[0]?.path === "body.publicKey",
      given.slice(0, 60),
    );
});

test("a comment loses what could begin another line", () => {
  const [type, base64] = keys[0][1].split(" ");
  assert.equal(parsePublicKey(`${type} ${base64} me\u0000 at\u0085home Київ`, "k").line, `${type} ${base64} me athome Київ`);
});
