import type { RemoteInfo, Socket } from "node:dgram";
import { plainAddress } from "../../../../kernel/peerAddress.ts";
import { type DtlsIdentity, type DtlsTransport, startDtls } from "../rtp/dtls.ts";
import { SrtpContext } from "../rtp/srtp.ts";
import { type BindingRequest, bindingResponse, isStun, readBindingRequest } from "../rtp/stun.ts";
import type { Agreement, IceCredentials } from "../sdp/negotiation.ts";
import type { PortPair } from "./ports.ts";

export interface TransportHandlers {
  rtp(packet: Buffer): void;
  rtcp(packet: Buffer): void;
  connected(): void;
  failed(reason: string): void;
}

/** Places that one leg's packets may come from. */
const mostValid = 32;

interface Place {
  address: string;
  port: number;
}

const keyOf = (from: Place): string => `${from.address} ${from.port}`;
const placeOf = ({ address, port }: RemoteInfo): Place => ({ address: plainAddress(address), port });

/** A leg's sockets with ICE-lite, DTLS, SRTP and symmetric RTP (RFC 4961). What reaches the handlers is decrypted. */
export class LegTransport {
  readonly #pair: PortPair;
  readonly #identity: DtlsIdentity;
  readonly #handlers: TransportHandlers;
  readonly #ice: () => readonly IceCredentials[];
  #agreed: Agreement | undefined;
  #dtls: DtlsTransport | undefined;
  #dtlsFor = "";
  #send: SrtpContext | undefined;
  #receive: SrtpContext | undefined;
  #sendKey = "";
  #receiveKey = "";
  /** Where we send. */
  #remote: Place | undefined;
  #remoteRtcp: Place | undefined;
  /** Plain RTP: once packets came, only that source is listened to until the next negotiation. */
  #latched: string | undefined;
  /** WebRTC: who knew our password. */
  readonly #valid = new Set<string>();
  #connected = false;
  #closed = false;

  constructor(pair: PortPair, identity: DtlsIdentity, ice: () => readonly IceCredentials[], handlers: TransportHandlers) {
    this.#pair = pair;
    this.#identity = identity;
    this.#ice = ice;
    this.#handlers = handlers;
    pair.rtp.on("message", (packet, info) => this.#packet(packet, placeOf(info)));
    pair.rtcp.on("message", (packet, info) => this.#rtcpPacket(packet, placeOf(info)));
    // A port that is closed over there comes back as an error here; the leg's silence tells it already.
    for (const socket of [pair.rtp, pair.rtcp]) socket.on("error", () => {});
  }

  get secure(): boolean {
    return this.#agreed?.profile !== "rtp";
  }

  /** Whether a packet that is sent now can arrive. */
  get ready(): boolean {
    return this.#remote !== undefined && (!this.secure || this.#send !== undefined);
  }

  get tagBytes(): number {
    return this.#send?.tagBytes ?? 0;
  }

  agree(agreed: Agreement): void {
    const before = this.#agreed?.remote;
    this.#agreed = agreed;
    if (agreed.profile === "webrtc") this.#agreeWebrtc(agreed);
    else this.#agreePlain(agreed, before?.address === agreed.remote.address && before.port === agreed.remote.port);
  }

  #agreePlain(agreed: Agreement, samePlace: boolean): void {
    const { address, port, rtcpPort } = agreed.remote;
    this.#latched = undefined;
    // Behind a NAT it is not where it says: what was learnt holds until it says otherwise.
    if (!samePlace || !this.#remote) {
      this.#remote = address === "0.0.0.0" ? undefined : { address, port };
      this.#remoteRtcp = address === "0.0.0.0" ? undefined : { address, port: agreed.rtcpMux ? port : rtcpPort };
    }
    const srtp = agreed.srtp;
    const key = (master: Buffer | undefined): string => (srtp && master ? `${srtp.suite} ${master.toString("base64")}` : "");
    // A direction whose key stays keeps its count of packets.
    if (key(srtp?.send) !== this.#sendKey) this.#send = srtp && new SrtpContext(srtp.send, srtp.suite);
    if (key(srtp?.receive) !== this.#receiveKey) this.#receive = srtp && new SrtpContext(srtp.receive, srtp.suite);
    this.#sendKey = key(srtp?.send);
    this.#receiveKey = key(srtp?.receive);
  }

  #agreeWebrtc(agreed: Agreement): void {
    const key = agreed.remote.fingerprints.map(({ hash, value }) => `${hash} ${value}`).join();
    if (this.#dtls && key === this.#dtlsFor) return;
    this.#dtlsFor = key;
    this.#dtls?.close();
    this.#send = this.#receive = undefined;
    this.#dtls = startDtls({
      identity: this.#identity,
      expected: agreed.remote.fingerprints,
      send: (packet) => this.#transmit(this.#pair.rtp, packet, this.#remote),
      done: ({ send, receive }) => {
        this.#send = new SrtpContext(send);
        this.#receive = new SrtpContext(receive);
        this.#nowConnected();
      },
      failed: (reason) => this.#handlers.failed(reason),
    });
  }

  /** A browser; phones on their own do DTLS without it. */
  get #hasIce(): boolean {
    return this.#agreed?.profile === "webrtc" && this.#agreed.remote.iceUser !== undefined;
  }

  /** `packet` has `tagBytes` free at its end. */
  sendRtp(packet: Buffer): void {
    if (!this.ready) return;
    this.#transmit(this.#pair.rtp, this.#send ? this.#send.protect(packet) : packet, this.#remote);
  }

  sendRtcp(packet: Buffer): void {
    if (!this.ready) return;
    const out = this.#send ? this.#send.protectRtcp(packet) : packet;
    if (this.#agreed?.rtcpMux) this.#transmit(this.#pair.rtp, out, this.#remote);
    else this.#transmit(this.#pair.rtcp, out, this.#remoteRtcp);
  }

  close(): void {
    this.#closed = true;
    this.#dtls?.close();
    this.#pair.release();
  }

  #transmit(socket: Socket, packet: Buffer, to: Place | undefined): void {
    if (!to || this.#closed) return;
    // With a callback, an error is no event; and a packet that cannot be sent is a packet lost.
    socket.send(packet, to.port, to.address, () => {});
  }

  #packet(packet: Buffer, from: Place): void {
    const agreed = this.#agreed;
    if (isStun(packet)) this.#stun(packet, from);
    else if (agreed && packet.length >= 2) this.#media(agreed, packet, from);
  }

  #media(agreed: Agreement, packet: Buffer, from: Place): void {
    if (agreed.profile === "webrtc") {
      if (this.#hasIce && !this.#valid.has(keyOf(from))) return;
      // RFC 7983: the first byte tells DTLS from RTP.
      if (packet[0]! >= 20 && packet[0]! <= 63) {
        // Without ICE the certificate proves who it was that shook hands.
        if (!this.#hasIce && !this.#receive) this.#remote = from;
        this.#dtls?.receive(packet);
        return;
      }
    }
    // RFC 5761: RTCP's types are 192 to 223.
    if (packet[1]! >= 192 && packet[1]! <= 223) {
      if (agreed.rtcpMux) this.#rtcp(packet);
      return;
    }
    if (agreed.profile !== "webrtc" && !this.#mayCome(from)) return;
    const plain = this.secure ? this.#receive?.unprotect(packet) : packet;
    if (!plain) return;
    if (!this.#hasIce) this.#latch(from);
    this.#handlers.rtp(plain);
  }

  /** SRTP proves who sent it. Plain RTP: the first source holds, unless the one that the SDP names comes later. */
  #mayCome(from: Place): boolean {
    if (this.secure || this.#latched === undefined || this.#latched === keyOf(from)) return true;
    const said = this.#agreed!.remote;
    return from.address === said.address && from.port === said.port;
  }

  #latch(from: Place): void {
    const key = keyOf(from);
    if (this.#latched === key) return;
    this.#latched = key;
    this.#remote = from;
    if (this.#agreed!.rtcpMux) this.#remoteRtcp = this.#remote;
    else if (from.address !== this.#agreed!.remote.address) this.#remoteRtcp = { address: from.address, port: from.port + 1 };
    this.#nowConnected();
  }

  #nowConnected(): void {
    if (this.#connected) return;
    this.#connected = true;
    this.#handlers.connected();
  }

  #rtcpPacket(packet: Buffer, from: Place): void {
    if (isStun(packet) || this.#agreed?.profile === "webrtc" || !this.#agreed) return;
    const said = this.#remote?.address ?? this.#agreed.remote.address;
    if (from.address === said) this.#rtcp(packet);
  }

  #rtcp(packet: Buffer): void {
    const plain = this.secure ? this.#receive?.unprotectRtcp(packet) : packet;
    if (plain) this.#handlers.rtcp(plain);
  }

  #stun(packet: Buffer, from: Place): void {
    for (const { user, password } of this.#ice()) {
      const request = readBindingRequest(packet, user, password);
      if (request) {
        this.#checked(request, password, from);
        return;
      }
    }
  }

  #checked(request: BindingRequest, password: string, from: Place): void {
    // The oldest is of a network that it left long ago.
    if (this.#valid.size >= mostValid && !this.#valid.has(keyOf(from))) this.#valid.delete(this.#valid.values().next().value!);
    this.#valid.add(keyOf(from));
    const response = bindingResponse(request.transaction, from.address, from.port, password);
    this.#transmit(this.#pair.rtp, response, from);
    if (request.useCandidate || !this.#remote) this.#remote = from;
  }
}
