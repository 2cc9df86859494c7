/** What a browser has beside a phone, as far as a server can tell: ICE with consent (RFC 7675) and DTLS. */
import { createHmac, randomBytes } from "node:crypto";
import { crc32 } from "node:zlib";
import { DtlsClient } from "werift";
import { type DtlsIdentity, type DtlsKeys, makeDtlsIdentity, startDtls } from "../services/voice/media/rtp/dtls.ts";
import { bindingResponse, isStun, readBindingRequest } from "../services/voice/media/rtp/stun.ts";
import type { RemoteDescription } from "../services/voice/media/sdp/remote.ts";

export interface Place {
  address: string;
  port: number;
}

/** Of the audio level in its packets (RFC 6464). */
export const levelId = 1;

let identity: Promise<DtlsIdentity> | undefined;
/** RFC 7675, section 5.1: Chromium asks about as often. */
const consentMs = 2500;
const checkMs = 50;

/** What a browser has beside a phone. All share one certificate: making it is nothing that a server notices. */
export class BrowserTransport {
  readonly #user = randomBytes(3).toString("hex");
  readonly #password = randomBytes(12).toString("hex");
  readonly #transmit: (packet: Buffer, to: Place) => void;
  #timer: NodeJS.Timeout | undefined;
  #answered = Promise.withResolvers<void>();
  #dtls: ((packet: Buffer) => void) | undefined;
  #early: Buffer[] = [];

  constructor(transmit: (packet: Buffer, to: Place) => void) {
    this.#transmit = transmit;
  }

  async lines(port: number): Promise<string[]> {
    identity ??= makeDtlsIdentity();
    return [
      "a=mid:0",
      "a=rtcp-mux",
      `a=ice-ufrag:${this.#user}`,
      `a=ice-pwd:${this.#password}`,
      `a=candidate:1 1 udp 2130706431 127.0.0.1 ${port} typ host`,
      "a=end-of-candidates",
      `a=fingerprint:sha-256 ${(await identity).fingerprint}`,
      "a=setup:actpass",
      `a=extmap:${levelId} urn:ietf:params:rtp-hdrext:ssrc-audio-level`,
    ];
  }

  /** ICE as the controlling side, then DTLS in whichever part the answer leaves to us. Resolves with the keys. */
  async connect(remote: RemoteDescription, answer: string, to: Place): Promise<DtlsKeys> {
    const password = /^a=ice-pwd:(\S+)/m.exec(answer)?.[1] ?? "";
    const names = `${remote.iceUser}:${this.#user}`;
    const check = () => this.#transmit(bindingRequest(names, password), to);
    check();
    this.#timer = setInterval(check, checkMs);
    await this.#answered.promise;
    clearInterval(this.#timer);
    this.#timer = setInterval(check, consentMs);
    const send = (packet: Buffer) => this.#transmit(packet, to);
    return await (remote.setup === "active" ? this.#serve(remote, send) : this.#begin(send));
  }

  async #serve(remote: RemoteDescription, send: (packet: Buffer) => void): Promise<DtlsKeys> {
    const own = await (identity as Promise<DtlsIdentity>);
    return await new Promise((done, reject) => {
      const failed = (reason: string) => reject(new Error(reason));
      const { receive } = startDtls({ identity: own, expected: remote.fingerprints, send, done, failed });
      this.#receives(receive);
    });
  }

  async #begin(send: (packet: Buffer) => void): Promise<DtlsKeys> {
    const own = await (identity as Promise<DtlsIdentity>);
    const transport = {
      type: "udp",
      onData: (_packet: Buffer): void => {},
      send: async (packet: Buffer): Promise<void> => send(packet),
      close: async (): Promise<void> => {},
      closed: false,
      address: { host: "", port: 0 },
    };
    const client = new DtlsClient({
      transport: transport as never,
      srtpProfiles: [1],
      cert: own.certificate,
      key: own.key,
      signatureHash: own.signature as never,
      certificateRequest: true,
      extendedMasterSecret: true,
    });
    this.#receives((packet) => transport.onData(packet));
    return await new Promise((done, reject) => {
      client.onConnect.subscribe(() => {
        const { localKey, localSalt, remoteKey, remoteSalt } = client.extractSessionKeys(16, 14);
        done({ send: Buffer.concat([localKey, localSalt]), receive: Buffer.concat([remoteKey, remoteSalt]) });
      });
      client.onError.subscribe(reject);
      client.connect().catch(reject);
    });
  }

  #receives(receive: (packet: Buffer) => void): void {
    this.#dtls = receive;
    for (const packet of this.#early.splice(0)) receive(packet);
  }

  /** Whether it was STUN or DTLS. */
  handles(bytes: Buffer, from: Place): boolean {
    if (isStun(bytes)) {
      const request = readBindingRequest(bytes, this.#user, this.#password);
      if (request) this.#transmit(bindingResponse(request.transaction, from.address, from.port, this.#password), from);
      else if (bytes.readUInt16BE(0) === 0x0101) this.#answered.resolve();
      return true;
    }
    // RFC 7983.
    if (bytes[0]! < 20 || bytes[0]! > 63) return false;
    if (this.#dtls) this.#dtls(bytes);
    else this.#early.push(bytes);
    return true;
  }

  close(): void {
    clearInterval(this.#timer);
  }
}

/** RFC 8445 section 7.1: as the controlling side, which names what it takes with the first one. */
function bindingRequest(names: string, password: string): Buffer {
  const attributes = [
    attribute(0x0006, Buffer.from(names)),
    attribute(0x0024, Buffer.from([0x6e, 0x00, 0x1e, 0xff])),
    attribute(0x802a, randomBytes(8)),
    attribute(0x0025, Buffer.alloc(0)),
  ];
  const header = Buffer.alloc(20);
  header.writeUInt16BE(1, 0);
  header.writeUInt32BE(0x2112a442, 4);
  randomBytes(12).copy(header, 8);
  let bytes = Buffer.concat([header, ...attributes]);
  // Each of the two covers what is before it, with the length as if it were the last.
  bytes.writeUInt16BE(bytes.length - 20 + 24, 2);
  bytes = Buffer.concat([bytes, attribute(0x0008, createHmac("sha1", password).update(bytes).digest())]);
  bytes.writeUInt16BE(bytes.length - 20 + 8, 2);
  const check = Buffer.alloc(4);
  check.writeUInt32BE((crc32(bytes) ^ 0x5354554e) >>> 0);
  return Buffer.concat([bytes, attribute(0x8028, check)]);
}

function attribute(type: number, value: Buffer): Buffer {
  const bytes = Buffer.alloc(4 + Math.ceil(value.length / 4) * 4);
  bytes.writeUInt16BE(type, 0);
  bytes.writeUInt16BE(value.length, 2);
  value.copy(bytes, 4);
  return bytes;
}
