import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { test } from "node:test";
import { createAuthority, issueCertificate } from "../../../gateway/certificates/authority.ts";
import { CloudError } from "../../../kernel/errors.ts";
import { nodeActions } from "./contract.ts";
import { decodeInvitation, encodeInvitation } from "./invitation.ts";

test("an invitation is one word, and what is not whole is refused in words", async () => {
  const authority = await createAuthority({ name: "Test nodes" });
  const issued = await issueCertificate(authority, ["node-2.nodes.khmara.internal"]);
  const given = {
    name: "node-2",
    manager: "10.0.0.1:2377",
    token: "SWMTKN-1-abc-def",
    members: ["a1", "b2"],
    authority: authority.certificate,
  };
  const word = encodeInvitation({ ...given, ...issued });
  assert.match(word, /^khn_[\w-]+$/);
  const read = decodeInvitation(` ${word}\n`);
  assert.deepEqual([read.name, read.manager, read.token], [given.name, given.manager, given.token]);
  assert.deepEqual(read.members, ["a1", "b2"]);
  assert.deepEqual(decodeInvitation(encodeInvitation({ ...given, ...issued, members: [] })).members, []);
  assert.ok(new X509Certificate(read.certificate).verify(new X509Certificate(read.authority).publicKey));
  const six = decodeInvitation(encodeInvitation({ ...given, ...issued, manager: "[fd00::1]:2377" }));
  assert.equal(six.manager, "[fd00::1]:2377");

  const other = await createAuthority({ name: "Others" });
  const wrong = [
    "",
    word.slice(0, -20),
    word.replace("khn_", "khm_"),
    `khn_${Buffer.from("[1,2,3,4,5,6]").toString("base64url")}`,
    encodeInvitation({ ...given, ...issued, name: "Node 2" }),
    encodeInvitation({ ...given, ...issued, manager: "cloud.example.org:2377" }),
    encodeInvitation({ ...given, ...issued, token: "--yes" }),
    encodeInvitation({ ...given, ...issued, authority: other.certificate }),
  ];
  for (const each of wrong)
    assert.throws(
      () => decodeInvitation(each),
      (error) => CloudError.is(error, "invalid_argument") && /khmara node invite/.test(error.message),
    );
});

test("what may be done with a node goes by what is on it", () => {
  const node = { home: false, draining: false, state: "ready" as const, containers: 0, disks: [] };
  assert.deepEqual(nodeActions(node), ["drain"]);
  assert.deepEqual(nodeActions({ ...node, draining: true }), ["activate", "delete"]);
  for (const change of [{ containers: 1 }, { containers: undefined }, { disks: ["diary"] }])
    assert.deepEqual(nodeActions({ ...node, draining: true, ...change }), ["activate"]);
  assert.deepEqual(nodeActions({ ...node, state: "down", disks: ["diary"] }), ["drain", "delete"]);
  assert.deepEqual(nodeActions({ ...node, home: true }), []);
});
