import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { describe, test } from "node:test";
import { connect, createServer, type TLSSocket } from "node:tls";
import { CloudError } from "../../kernel/errors.ts";
import { createAuthority, issueCertificate, renewAt } from "./authority.ts";
import { type DomainResolver, domainCheck } from "./domainCheck.ts";

describe("the authority of the cloud", () => {
  /** What OpenSSL says when it verifies the whole chain. */
  const handshake = async (
    authority: { certificate: string },
    issued: { certificate: string; key: string },
    servername: string,
  ) => {
    const server = createServer({ cert: issued.certificate, key: issued.key });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    try {
      return await new Promise<string>((resolve) => {
        const { port } = server.address() as { port: number };
        const socket: TLSSocket = connect({ port, host: "127.0.0.1", servername, ca: authority.certificate }, () => {
          socket.destroy();
          resolve("trusted");
        });
        socket.on("error", (error: NodeJS.ErrnoException) => resolve(`${error.code} ${error.message}`));
      });
    } finally {
      server.close();
    }
  };

  test("its certificates are trusted by whoever trusts it, for their names only", async () => {
    const authority = await createAuthority({ name: "Ours" });
    const issued = await issueCertificate(authority, ["a.test", "*.b.test", "10.0.0.1"]);
    assert.equal(await handshake(authority, issued, "a.test"), "trusted");
    assert.equal(await handshake(authority, issued, "x.b.test"), "trusted");
    assert.match(await handshake(authority, issued, "c.test"), /ERR_TLS_CERT_ALTNAME_INVALID/);
    const stranger = await createAuthority({ name: "Ours" });
    assert.notEqual(await handshake(stranger, issued, "a.test"), "trusted");
    const leaf = new X509Certificate(issued.certificate);
    assert.equal(leaf.ca, false);
    assert.equal(leaf.subjectAltName, "DNS:a.test, DNS:*.b.test, IP Address:10.0.0.1");
  });

  test("one that is limited to a domain cannot certify others", async () => {
    const authority = await createAuthority({ name: "Ours", domains: ["inside.test"] });
    assert.equal(await handshake(authority, await issueCertificate(authority, ["x.inside.test"]), "x.inside.test"), "trusted");
    const bank = await issueCertificate(authority, ["bank.test"]);
    assert.match(await handshake(authority, bank, "bank.test"), /permitted subtree violation/i);
  });

  test("no certificate outlives its authority, and each is renewed after two thirds", async () => {
    const authority = await createAuthority({ name: "Ours", days: 3 });
    const { certificate } = await issueCertificate(authority, ["a.test"], { days: 90 });
    const leaf = new X509Certificate(certificate);
    assert.ok(leaf.validToDate <= new X509Certificate(authority.certificate).validToDate);
    const share =
      (renewAt(certificate).getTime() - leaf.validFromDate.getTime()) /
      (leaf.validToDate.getTime() - leaf.validFromDate.getTime());
    assert.ok(Math.abs(share - 2 / 3) < 0.001);
  });
});

describe("the check of a domain", () => {
  const gateway = { addresses: ["192.0.2.1", "2001:db8::1"], alias: "apps.cloud.test", authority: "letsencrypt.org" };
  const answers = (records: Partial<Record<keyof DomainResolver, Record<string, unknown[]>>>): DomainResolver => {
    const of = (kind: keyof DomainResolver) => async (name: string) => {
      const found = records[kind]?.[name];
      if (found === undefined) throw Object.assign(new Error(name), { code: "ENODATA" });
      return found as never[];
    };
    return { resolve4: of("resolve4"), resolve6: of("resolve6"), resolveCname: of("resolveCname"), resolveCaa: of("resolveCaa") };
  };
  const problemsOf = async (records: Parameters<typeof answers>[0], name = "www.shop.test") =>
    (await domainCheck(name, gateway, answers(records))).problems;
  const here = { "www.shop.test": ["192.0.2.1"] };

  test("says what is missing, and where it points instead", async () => {
    assert.deepEqual(await problemsOf({ resolve4: here, resolve6: { "www.shop.test": ["2001:0db8:0::1"] } }), []);
    assert.deepEqual(await problemsOf({}), [
      "www.shop.test has no address yet. Add the record CNAME www.shop.test apps.cloud.test, or A www.shop.test 192.0.2.1 and AAAA www.shop.test 2001:db8::1.",
    ]);
    assert.match(
      (
        await problemsOf({ resolve4: { "www.shop.test": ["198.51.100.7"] }, resolveCname: { "www.shop.test": ["old.test"] } })
      )[0] ?? "",
      /points elsewhere, to 198\.51\.100\.7 \(by way of old\.test\)\. Instead:/,
    );
    assert.deepEqual(await problemsOf({ resolve4: here, resolve6: { "www.shop.test": ["2001:db8::bad"] } }), [
      "www.shop.test points here and also to 2001:db8::bad. Remove that record.",
    ]);
  });

  test("CAA: the closest name that has any decides", async () => {
    const caa = (resolveCaa: Record<string, object[]>, name?: string) =>
      problemsOf({ resolve4: { ...here, "*.shop.test": ["192.0.2.1"] }, resolveCaa }, name);
    assert.deepEqual(await caa({ "shop.test": [{ critical: 0, issue: "letsencrypt.org; accounturi=x" }] }), []);
    assert.deepEqual(await caa({ "shop.test": [{ critical: 0, issue: "other.test" }] }), [
      'The CAA records of shop.test let other.test give certificates for www.shop.test. Add CAA shop.test 0 issue "letsencrypt.org".',
    ]);
    assert.deepEqual(
      await caa({ "www.shop.test": [{ critical: 0, issue: "letsencrypt.org" }], "shop.test": [{ critical: 0, issue: ";" }] }),
      [],
    );
    assert.match((await caa({ "shop.test": [{ critical: 0, issue: ";" }] }))[0] ?? "", /let nobody give/);
    assert.deepEqual(await caa({ "shop.test": [{ critical: 0, iodef: "mailto:a@b.test" }] }), []);
    const wild = {
      "shop.test": [
        { critical: 0, issue: "letsencrypt.org" },
        { critical: 0, issuewild: ";" },
      ],
    };
    assert.equal((await caa(wild, "*.shop.test")).length, 1);
    assert.deepEqual(await caa(wild), []);
  });

  test("a DNS that is silent says nothing about the name", async () => {
    const silent = () => Promise.reject(Object.assign(new Error("timeout"), { code: "ETIMEOUT" }));
    const resolver = { resolve4: silent, resolve6: silent, resolveCname: silent, resolveCaa: silent };
    await assert.rejects(domainCheck("a.test", gateway, resolver), (error) => CloudError.is(error, "unavailable"));
  });
});
