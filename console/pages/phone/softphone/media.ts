import type { BodyAndContentType, SessionDescriptionHandler } from "sip.js";

/** Candidates of this machine are known at once; a server for them that does not answer is not waited for. */
const gatherMs = 1200;

export interface MediaSource {
  microphone(): Promise<MediaStreamTrack>;
  camera(): Promise<MediaStreamTrack>;
}

/** The other side's offer came while ours was being made, and was taken: ours is made anew later, as after a 491. */
export class OfferGaveWay extends Error {}

/**
 * Sound and pictures of one call: makes and takes SDP for sip.js, whose own handler cannot leave a hold that both sides had set, and knows no
 * camera that comes and goes.
 */
export class CallMedia implements SessionDescriptionHandler {
  readonly remote = new MediaStream();
  readonly connection: RTCPeerConnection;
  /** What we want; it counts with the next offer or answer. */
  held = false;
  onRemote: () => void = () => {};
  readonly #source: MediaSource;
  #microphone: MediaStreamTrack | undefined;
  #camera: MediaStreamTrack | undefined;
  /** The offer that is being made; none of them is known to the other side yet. */
  #offering: object | undefined;
  #awaitsAnswer = false;
  #answering = false;

  constructor(source: MediaSource, iceServers: RTCIceServer[] = []) {
    this.#source = source;
    this.connection = new RTCPeerConnection({ iceServers, bundlePolicy: "max-bundle" });
    this.connection.ontrack = ({ track }) => {
      for (const old of this.remote.getTracks()) if (old.kind === track.kind && old !== track) this.remote.removeTrack(old);
      this.remote.addTrack(track);
      this.onRemote();
    };
  }

  get microphone(): MediaStreamTrack | undefined {
    return this.#microphone;
  }
  get camera(): MediaStreamTrack | undefined {
    return this.#camera;
  }
  get audioSender(): RTCRtpSender | undefined {
    return this.#transceiver("audio")?.sender;
  }
  /** Sound of the other side has been agreed on: it may be early media. */
  get hasRemote(): boolean {
    return this.connection.currentRemoteDescription !== null;
  }
  get receivesVideo(): boolean {
    return /recv/.test(this.#transceiver("video")?.currentDirection ?? "");
  }
  get heldByPeer(): boolean {
    const audio = /m=audio[\s\S]*?(?=\r?\nm=|$)/.exec(this.connection.remoteDescription?.sdp ?? "")?.[0] ?? "";
    return /a=(?:sendonly|inactive)\b/.test(audio);
  }

  /** Before the call: the microphone is there, or it fails with the browser's reason. */
  async prepare(): Promise<void> {
    this.#microphone ??= (await this.#source.microphone()).clone();
  }

  setMuted(muted: boolean): void {
    if (this.#microphone) this.#microphone.enabled = !muted;
  }

  /** Another microphone, without the other side noticing more than another sound. */
  async changeMicrophone(): Promise<void> {
    const before = this.#microphone;
    if (before === undefined) return;
    const track = (await this.#source.microphone()).clone();
    track.enabled = before.enabled;
    if (this.audioSender?.track === before) await this.audioSender.replaceTrack(track);
    this.#microphone = track;
    before.stop();
  }

  async setCamera(on: boolean): Promise<void> {
    if (on) this.#camera ??= await this.#source.camera();
    else {
      this.#camera?.stop();
      this.#camera = undefined;
    }
  }

  /** An offer of the other side is being answered: one of ours has to wait. */
  get answering(): boolean {
    return this.#answering;
  }

  getDescription(): Promise<BodyAndContentType> {
    return this.#answering ? this.#answer() : this.#offer();
  }

  /**
   * What the state of the connection is does not tell an offer from an answer: it changes only after a while, and the other side's offer may come
   * in that while.
   */
  async setDescription(sdp: string): Promise<void> {
    const isAnswer = this.#awaitsAnswer;
    this.#awaitsAnswer = false;
    this.#offering = undefined;
    this.#answering = !isAnswer;
    try {
      await this.connection.setRemoteDescription({ type: isAnswer ? "answer" : "offer", sdp });
    } catch (error) {
      this.#answering = false;
      throw error;
    }
    // Of an offer of ours that gave way: their picture has a place of its own now.
    if (!isAnswer) for (const each of this.connection.getTransceivers()) if (each.mid === null) each.stop();
    this.onRemote();
  }

  async rollbackDescription(): Promise<void> {
    const undone: RTCSignalingState = this.#awaitsAnswer ? "have-local-offer" : "have-remote-offer";
    if (this.#awaitsAnswer) this.#awaitsAnswer = false;
    else this.#answering = false;
    if (this.connection.signalingState !== undone) return;
    // Meanwhile it may have given way to an offer of the other side.
    await this.connection.setLocalDescription({ type: "rollback" }).catch((error: Error) => {
      if (this.connection.signalingState === undone) throw error;
    });
  }

  hasDescription(contentType: string): boolean {
    return contentType === "application/sdp";
  }

  /** As events of RFC 4733 in the sound's own stream. */
  sendDtmf(tones: string): boolean {
    const sender = this.audioSender?.dtmf;
    if (!sender?.canInsertDTMF) return false;
    sender.insertDTMF(sender.toneBuffer + tones, 120, 80);
    return true;
  }

  close(): void {
    this.#microphone?.stop();
    this.#camera?.stop();
    this.connection.close();
  }

  async #answer(): Promise<BodyAndContentType> {
    const { connection } = this;
    try {
      await this.prepare();
      await this.#direct(true);
      await connection.setLocalDescription(await connection.createAnswer());
      await this.#gathered();
      return this.#described();
    } finally {
      this.#answering = false;
    }
  }

  /** @throws OfferGaveWay */
  async #offer(): Promise<BodyAndContentType> {
    const { connection } = this;
    const mine = {};
    this.#offering = mine;
    const isStillWanted = () => {
      if (this.#offering !== mine) throw new OfferGaveWay();
    };
    await this.prepare();
    isStillWanted();
    await this.#direct(false);
    isStillWanted();
    const offer = await connection.createOffer();
    isStillWanted();
    await connection.setLocalDescription(offer);
    await this.#gathered();
    isStillWanted();
    this.#offering = undefined;
    this.#awaitsAnswer = true;
    return this.#described();
  }

  #described(): BodyAndContentType {
    return { body: this.connection.localDescription?.sdp ?? "", contentType: "application/sdp" };
  }

  /** Tracks and directions for what we want; what the other side wants is taken into account by the browser. */
  async #direct(answers: boolean): Promise<void> {
    const audio = this.#transceiver("audio") ?? (answers ? undefined : this.connection.addTransceiver("audio"));
    if (audio) {
      if (audio.sender.track === null) await audio.sender.replaceTrack(this.#microphone ?? null);
      audio.direction = this.held ? "sendonly" : "sendrecv";
    }
    const wanted = this.#camera !== undefined;
    const video = this.#transceiver("video") ?? (wanted && !answers ? this.connection.addTransceiver("video") : undefined);
    if (video === undefined) return;
    await video.sender.replaceTrack(this.#camera ?? null);
    video.direction = this.held ? "inactive" : wanted ? "sendrecv" : "recvonly";
  }

  #transceiver(kind: "audio" | "video"): RTCRtpTransceiver | undefined {
    return this.connection
      .getTransceivers()
      .find(({ receiver, stopped }: RTCRtpTransceiver & { stopped?: boolean }) => !stopped && receiver.track.kind === kind);
  }

  #gathered(): Promise<void> {
    const { connection } = this;
    // Asked to look anew, it says so only later.
    const isComplete = () =>
      connection.iceGatheringState === "complete" && /^a=candidate:/m.test(connection.localDescription?.sdp ?? "");
    if (isComplete()) return Promise.resolve();
    return new Promise((done) => {
      const finish = () => {
        if (timer !== undefined && !isComplete()) return;
        clearTimeout(timer);
        connection.removeEventListener("icegatheringstatechange", finish);
        done();
      };
      let timer: ReturnType<typeof setTimeout> | undefined = setTimeout(() => {
        timer = undefined;
        finish();
      }, gatherMs);
      connection.addEventListener("icegatheringstatechange", finish);
    });
  }
}
