import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { optionHelp, readSettings } from "./options.ts";
import { StartError } from "./start-error.ts";

test("defaults: loopback, 8080 and 9000, no owner, the embedded database", () => {
  const settings = readSettings([], { HOME: "/home/ann" });
  assert.deepEqual(settings, {
    dataDirectory: process.getuid?.() === 0 ? "/var/lib/khmara" : "/home/ann/.local/share/khmara",
    listen: "127.0.0.1",
    port: 8080,
    s3Port: 9000,
    objectProcesses: { least: 1, most: Math.min(availableParallelism(), 4) },
    ssh: { port: 2222, isDefault: true },
    publicUrl: "http://127.0.0.1:8080",
    s3Url: "http://127.0.0.1:9000",
    region: "us-east-1",
    engine: {},
    docker: {},
    voice: {
      sipPort: 5060,
      webSocketPort: 5066,
      rtpPorts: { from: 20_000, to: 20_999 },
      address: "127.0.0.1",
      isDefault: true,
      isDefaultTurn: true,
    },
    httpPort: 8000,
    httpsPort: 8001,
  });
});

test("phones: ports, a certificate that TLS needs, an address; none turns them off", () => {
  assert.equal(readSettings(["--sip-port", "none"], {}).voice, undefined);
  const voice = readSettings(["--sip-port=15060", "--rtp-ports=30000-30100", "--voice-address=192.0.2.1"], {}).voice;
  assert.deepEqual(
    [voice?.sipPort, voice?.rtpPorts, voice?.address, voice?.isDefault],
    [15_060, { from: 30_000, to: 30_100 }, "192.0.2.1", false],
  );
  assert.throws(() => readSettings(["--rtp-ports=5"], {}), /20000-20999/);
  assert.throws(() => readSettings(["--sip-tls-port=5061"], {}), /--voice-certificate/);
  assert.throws(() => readSettings(["--voice-address=here"], {}), /not an IP address/);
  const both = readSettings(["--voice-address=192.0.2.1,2001:db8::1", "--listen=0.0.0.0"], {}).voice;
  assert.deepEqual([both?.address, both?.otherAddress], ["192.0.2.1", "2001:db8::1"]);
  assert.throws(() => readSettings(["--voice-address=192.0.2.1,2001:db8::1"], {}), /--listen 0\.0\.0\.0/);
  assert.throws(() => readSettings(["--voice-address=192.0.2.1,192.0.2.2", "--listen=::"], {}), /one of IPv6/);
});

test("several servers for phones: rtpengines, names, a port for browsers, phones only", () => {
  const words = [
    "--rtpengine=192.0.2.7:2223,[2001:db8::7]:2224",
    "--sip-name=Phones.example.org",
    "--public-url=https://cloud.example.org",
  ];
  const { voice } = readSettings(words, {});
  assert.deepEqual(voice?.rtpengines, [
    { host: "192.0.2.7", port: 2223 },
    { host: "2001:db8::7", port: 2224 },
  ]);
  assert.equal(voice?.sipName, "phones.example.org");
  assert.throws(() => readSettings(["--rtpengine=engine:2223"], {}), /192\.0\.2\.7:2223/);
  assert.throws(() => readSettings(["--sip-name=192.0.2.1"], {}), /no name of a server/);
  assert.throws(() => readSettings(["--sip-wss-port=5067"], {}), /--voice-certificate/);
  assert.throws(() => readSettings(["--voice-only"], {}), /KHMARA_DATABASE_URL/);
  const KHMARA_DATABASE_URL = "postgres://u:p@db.example.org/khmara";
  assert.equal(readSettings(["--voice-only"], { KHMARA_DATABASE_URL }).voiceOnly, true);
  assert.equal(readSettings(["--voice-only=no"], { KHMARA_DATABASE_URL }).voiceOnly, undefined);
  assert.throws(() => readSettings(["--voice-only", "--sip-port=none"], { KHMARA_DATABASE_URL }), /nothing to serve/);
});

test("the command line wins over the environment, in both ways of writing", () => {
  const settings = readSettings(["--port", "21000", "--s3-port=21001", "--data", "/srv/a"], {
    KHMARA_PORT: "1",
    KHMARA_DATA: "/srv/b",
    KHMARA_DATABASE_URL: "postgres://u:p@db.example.org/khmara",
  });
  assert.equal(settings.port, 21000);
  assert.equal(settings.s3Port, 21001);
  assert.equal(settings.dataDirectory, "/srv/a");
  assert.equal(settings.databaseUrl, "postgres://u:p@db.example.org/khmara");
});

test("processes for objects: a number is what there are from the start", () => {
  const { objectProcesses } = readSettings(["--object-processes=3"], {});
  assert.deepEqual(objectProcesses, { least: 3, most: 3 });
  for (const wrong of ["0", "65", "many"])
    assert.throws(() => readSettings(["--object-processes", wrong], {}), /not a number of processes/);
});

test("git over SSH: a port of its own, or none", () => {
  assert.deepEqual(readSettings(["--ssh-port", "22"], {}).ssh, { port: 22, isDefault: false });
  assert.equal(readSettings([], { KHMARA_SSH_PORT: "none" }).ssh, undefined);
  assert.throws(() => readSettings(["--ssh-port", "8080"], {}), /--port and --ssh-port are both 8080/);
  assert.throws(() => readSettings(["--ssh-port", "no"], {}), /not a port/);
});

test("the address that people see follows where it listens", () => {
  assert.equal(readSettings(["--listen", "::1"], {}).publicUrl, "http://[::1]:8080");
  assert.doesNotMatch(readSettings(["--listen", "0.0.0.0"], {}).publicUrl, /0\.0\.0\.0/);
  assert.equal(readSettings(["--public-url", "https://cloud.example.org/"], {}).publicUrl, "https://cloud.example.org");
});

test("the owner's password comes from a file, without the line's end", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "khmara-options-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "password");
  writeFileSync(file, "correct horse\n");
  const settings = readSettings(["--owner-email", "ann@example.org", "--owner-password-file", file], {});
  assert.deepEqual(settings.owner, { email: "ann@example.org", password: "correct horse" });
  assert.deepEqual(readSettings([], { KHMARA_OWNER_EMAIL: "a@b.c", KHMARA_OWNER_PASSWORD: "x" }).owner, {
    email: "a@b.c",
    password: "x",
  });
});

test("a storage cluster: a bucket of it, and its keys in a file", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "khmara-options-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "keys");
  writeFileSync(file, "AKIA1:se+cret/\n");
  const words = ["--object-cluster", "https://rgw.example.org:8443/khmara?region=eu", "--object-cluster-keys", file];
  assert.deepEqual(readSettings([...words, "--object-engine", "cluster"], {}).objectCluster, {
    endpoint: "https://rgw.example.org:8443",
    bucket: "khmara",
    region: "eu",
    keysFile: file,
    engine: "cluster",
  });
  assert.equal(readSettings([], {}).objectCluster, undefined);
  const refuses = (given: string[], words: RegExp) => assert.throws(() => readSettings(given, {}), words);
  refuses(["--object-engine", "cluster"], /--object-engine is for a storage cluster\. Add --object-cluster/);
  refuses(["--object-engine", "disk"], /Give local/);
  refuses(["--object-cluster", "https://rgw.example.org"], /not the address of a bucket/);
  refuses(["--object-cluster", "https://rgw.example.org/b1x"], /Add --object-cluster-keys FILE/);
  refuses(["--object-cluster", "https://a/b1x", "--object-cluster-keys", "/nowhere"], /cannot be read \(ENOENT\)/);
  writeFileSync(file, "nothing\n");
  refuses(["--object-cluster", "https://a/b1x", "--object-cluster-keys", file], /has no line ACCESS-KEY-ID:SECRET-KEY/);
});

test("the engine: a word that stands alone, sockets, addresses with certificates, disks and pools", (t) => {
  const engine = (words: string[], environment: NodeJS.ProcessEnv = {}) => readSettings(words, environment).engine;
  assert.deepEqual(engine(["--install-engines", "--port", "21000"]), { install: true });
  assert.deepEqual(engine(["--install-engines=no"], { KHMARA_INSTALL_ENGINES: "1" }), { install: false });
  assert.deepEqual(engine([], { KHMARA_INSTALL_ENGINES: "1", KHMARA_ENGINE_POOL: "/dev/sdb" }), {
    install: true,
    pool: "/dev/sdb",
  });
  assert.deepEqual(engine([], { LXD_SOCKET: "/run/lxd.socket" }), { endpoint: "/run/lxd.socket" });
  assert.deepEqual(engine(["--engine-socket", "none"], { INCUS_SOCKET: "/run/incus.socket" }), { endpoint: "none" });
  const folder = mkdtempSync(join(tmpdir(), "khmara-options-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "client.pem");
  writeFileSync(file, "-----BEGIN CERTIFICATE-----\n-----BEGIN EC PRIVATE KEY-----\n");
  const words = ["--engine-socket", "https://10.0.0.2:8443/", "--engine-certificate", file, "--engine-pool", "fast"];
  assert.deepEqual(engine([...words, "--engine-server-certificate", file]), {
    endpoint: "https://10.0.0.2:8443",
    pool: "fast",
    tls: { certificateFile: file, keyFile: file, serverCertificateFile: file },
  });
});

const wrong: [string, string[], NodeJS.ProcessEnv, RegExp][] = [
  ["an unknown option", ["--prot", "1"], {}, /Unknown option --prot\. Did you mean --port\?/],
  ["a word without an option", ["now"], {}, /Unknown option now\. See/],
  ["no value", ["--port"], {}, /--port needs a value: --port PORT/],
  ["another option in the value's place", ["--data", "--port"], {}, /--data needs a value/],
  ["a port that is none", ["--port", "70000"], {}, /--port is 70000, which is not a port/],
  ["a port in the environment that is none", [], { KHMARA_S3_PORT: "s3" }, /KHMARA_S3_PORT is s3, which is not a port/],
  ["one port for both", ["--port", "9000"], {}, /both 9000/],
  ["an address that is none", ["--listen", "everywhere"], {}, /not an IP address/],
  ["an owner without an address", [], { KHMARA_OWNER_PASSWORD: "x" }, /Add --owner-email/],
  ["an e-mail address that is none", ["--owner-email", "ann"], {}, /not an e-mail address/],
  [
    "a password file that is not there",
    ["--owner-email", "a@b.c", "--owner-password-file", "/nowhere"],
    {},
    /cannot be read \(ENOENT\)/,
  ],
  ["a database address that is none", [], { KHMARA_DATABASE_URL: "mysql://x/y" }, /KHMARA_DATABASE_URL is not the address/],
  ["an engine that is none", ["--engine-socket", "lxd"], {}, /--engine-socket is lxd, which is no engine\. Give the path/],
  ["an engine over plain HTTP", [], { LXD_SOCKET: "http://10.0.0.2:8443" }, /LXD_SOCKET is http:.*which is no engine/],
  ["a socket with a path too long", ["--engine-socket", `/${"x".repeat(120)}`], {}, /no engine/],
  ["an engine at an address without a certificate", ["--engine-socket", "https://a:8443"], {}, /Add --engine-certificate FILE/],
  ["a certificate without an address", ["--engine-certificate", "/x"], {}, /is for an engine at a URL\. Add --engine-socket/],
  [
    "a certificate that is not there",
    ["--engine-socket", "https://a:8443", "--engine-certificate", "/nowhere"],
    {},
    /cannot be read \(ENOENT\)\. Check --engine-certificate/,
  ],
  [
    "a certificate without its key",
    ["--engine-socket", "https://a:8443", "--engine-certificate", join(import.meta.dirname, "options.ts")],
    {},
    /has no certificate \(PEM\)/,
  ],
  ["a pool that is none", ["--engine-pool", "../x"], {}, /neither a disk .* nor the name of a storage pool/],
  ["a half-hearted yes", [], { KHMARA_INSTALL_ENGINES: "maybe" }, /KHMARA_INSTALL_ENGINES is maybe\. Give yes or no\./],
  ["a value for nothing", ["--install-engines="], {}, /--install-engines needs a value: --install-engines yes/],
  ["a web address that is none", ["--public-url", "cloud"], {}, /not a web address/],
];

for (const [name, words, environment, message] of wrong) {
  test(`refused: ${name}`, () => {
    assert.throws(
      () => readSettings(words, environment),
      (error) => error instanceof StartError && message.test(error.message) && !error.message.includes("\n"),
    );
  });
}

test("the help names every option", () => {
  for (const word of [
    "--data",
    "--port",
    "--s3-port",
    "--listen",
    "--owner-email",
    "--owner-password-file",
    "KHMARA_DATABASE_URL",
    "--install-engines",
    "--engine-socket",
    "--engine-pool",
  ]) {
    assert.ok(optionHelp().includes(word), word);
  }
});
