import { createHash, verify, X509Certificate } from "node:crypto";
import { CipherContext, DtlsServer } from "werift";

/** One certificate for all legs of a worker (RFC 8827 section 6.5 allows it): made at its start, never written down. */
export interface DtlsIdentity {
  certificate: string;
  key: string;
  /** As in SDP: sha-256 with colons. */
  fingerprint: string;
  signature: { hash: number; signature: number };
}

const fingerprintOf = (der: Buffer): string =>
  createHash("sha256").update(der).digest("hex").toUpperCase().match(/../g)!.join(":");

export async function makeDtlsIdentity(): Promise<DtlsIdentity> {
  // SHA-256 with ECDSA on P-256, which every browser has.
  const made = await CipherContext.createSelfSignedCertificateWithKey({ hash: 4, signature: 3 }, 23);
  const fingerprint = fingerprintOf(new X509Certificate(made.certPem).raw);
  return { certificate: made.certPem, key: made.keyPem, fingerprint, signature: made.signatureHash };
}

export interface DtlsKeys {
  /** Key and salt, 30 bytes each. */
  send: Buffer;
  receive: Buffer;
}

export interface DtlsTransport {
  receive(packet: Buffer): void;
  close(): void;
}

/** RFC 5764, as the server. `expected`: fingerprints of the other side's SDP, of which one must be that of its certificate (RFC 8122). */
export function startDtls(options: {
  identity: DtlsIdentity;
  expected: readonly { hash: string; value: string }[];
  send: (packet: Buffer) => void;
  done: (keys: DtlsKeys) => void;
  failed: (reason: string) => void;
}): DtlsTransport {
  const transport = {
    type: "udp",
    onData: (_packet: Buffer): void => {},
    send: async (packet: Buffer): Promise<void> => options.send(packet),
    close: async (): Promise<void> => {},
    closed: false,
    address: { host: "", port: 0 },
  };
  const server = new DtlsServer({
    transport: transport as never,
    srtpProfiles: [1],
    cert: options.identity.certificate,
    key: options.identity.key,
    signatureHash: options.identity.signature as never,
    certificateRequest: true,
    extendedMasterSecret: true,
  });
  let ended = false;
  let proven = false;
  const fail = (reason: string): void => {
    if (ended) return;
    ended = true;
    options.failed(reason);
  };
  const handle = server.onHandleHandshakes;
  server.onHandleHandshakes = async (messages) => {
    for (const message of messages) {
      // werift believes a certificate without asking for the proof of its key, so that anyone could show the peer's.
      if (message.msg_type === 15) proven = provesKey(server, message.fragment);
      await handle.call(server, [message]);
    }
  };
  server.onConnect.subscribe(() => {
    if (ended) return;
    const certificate = server.remoteCertificate;
    if (!certificate || !proven) return fail("The other side did not prove that the certificate is its own.");
    if (!matches(certificate, options.expected)) return fail("The certificate is not the one of the SDP.");
    const { localKey, localSalt, remoteKey, remoteSalt } = server.extractSessionKeys(16, 14);
    ended = true;
    options.done({ send: Buffer.concat([localKey, localSalt]), receive: Buffer.concat([remoteKey, remoteSalt]) });
  });
  server.onError.subscribe((error: Error) => fail(`DTLS: ${error.message}`));
  return {
    receive: (packet) => {
      // A second ClientHello would begin anew; we negotiate anew through SDP only.
      if (ended && packet[0] === 22 && packet.readUInt16BE(3) === 0) return;
      try {
        transport.onData(packet);
      } catch {
        // Broken records are dropped (RFC 6347 section 4.1.2.7).
      }
    },
    close: () => {
      ended = true;
    },
  };
}

/** RFC 5246 section 7.4.8: a signature over all handshake messages before. */
function provesKey(server: DtlsServer, body: Buffer): boolean {
  const certificate = server.remoteCertificate;
  if (!certificate || body.length < 4) return false;
  const hash = { 4: "sha256", 5: "sha384", 6: "sha512" }[body[0]!];
  if (!hash) return false;
  const signed = Buffer.concat(server.dtls.sortedHandshakeCache.map((message) => message.serialize()));
  const signature = body.subarray(4, 4 + body.readUInt16BE(2));
  try {
    return verify(hash, signed, new X509Certificate(certificate).publicKey, signature);
  } catch {
    return false;
  }
}

function matches(certificate: Buffer, expected: readonly { hash: string; value: string }[]): boolean {
  return expected.some(({ hash, value }) => {
    const name = hash.toLowerCase().replace("-", "");
    if (!["sha256", "sha384", "sha512"].includes(name)) return false;
    const digest = createHash(name).update(certificate).digest("hex");
    return digest === value.replaceAll(":", "").toLowerCase();
  });
}
