import { type Browser, chromium, type Page } from "playwright-core";

/** Chromium's WebRTC, for tests: a page with one RTCPeerConnection that says a tone and measures what it hears. */
export async function openBrowser(): Promise<Browser> {
  return await chromium.launch({
    executablePath: "/usr/bin/chromium",
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--autoplay-policy=no-user-gesture-required",
      "--allow-loopback-in-peer-connection",
      "--disable-features=WebRtcHideLocalIpsWithMdns",
    ],
  });
}

const script = `
window.start = async (frequency, video, configuration) => {
  const audio = new AudioContext({ sampleRate: 48000 });
  const oscillator = audio.createOscillator();
  oscillator.frequency.value = frequency;
  const gain = audio.createGain();
  gain.gain.value = 0.15;
  const out = audio.createMediaStreamDestination();
  oscillator.connect(gain).connect(out);
  oscillator.start();
  const pc = new RTCPeerConnection(configuration);
  window.pc = pc;
  window.audio = audio;
  window.heard = [];
  const track = out.stream.getAudioTracks()[0];
  pc.addTrack(track, out.stream);
  if (video) {
    const canvas = document.createElement("canvas");
    canvas.width = 320; canvas.height = 240;
    document.body.append(canvas);
    const context = canvas.getContext("2d");
    setInterval(() => { context.fillStyle = video; context.fillRect(0, 0, 320, 240); context.fillStyle = "black"; context.fillRect(Math.random() * 300, 0, 9, 9); }, 50);
    pc.addTrack(canvas.captureStream(20).getVideoTracks()[0], out.stream);
  }
  pc.ontrack = ({ track, streams }) => {
    const element = document.createElement(track.kind);
    element.autoplay = true; element.muted = true;
    element.srcObject = new MediaStream([track]);
    document.body.append(element);
    element.play();
    if (track.kind === "video") { window.element = element; return; }
    const source = audio.createMediaStreamSource(new MediaStream([track]));
    const tap = audio.createScriptProcessor(4096, 1, 1);
    tap.onaudioprocess = ({ inputBuffer }) => {
      window.heard.push(Float32Array.from(inputBuffer.getChannelData(0)));
      if (window.heard.length > 12) window.heard.shift();
    };
    source.connect(tap); tap.connect(audio.destination);
  };
};
window.offer = async () => { await pc.setLocalDescription(); return pc.localDescription.sdp; };
window.gathered = async () => {
  while (pc.iceGatheringState !== "complete") await new Promise((resolve) => pc.addEventListener("icegatheringstatechange", resolve, { once: true }));
  return pc.localDescription.sdp;
};
window.restart = () => { pc.restartIce(); };
/** The user names of ICE, ours and the other side's, by which packets go now; null while they go by none. */
window.way = async () => {
  const reports = await pc.getStats();
  const transport = [...reports.values()].find(({ type }) => type === "transport");
  const pair = reports.get(transport?.selectedCandidatePairId);
  const ours = pair && reports.get(pair.localCandidateId)?.usernameFragment;
  const theirs = /a=ice-ufrag:(\\S+)/.exec(pc.remoteDescription.sdp)[1];
  return ours ? [ours, theirs] : null;
};
window.accept = async (sdp) => { await pc.setRemoteDescription({ type: "answer", sdp }); };
window.answer = async (sdp) => { await pc.setRemoteDescription({ type: "offer", sdp }); await pc.setLocalDescription(); return pc.localDescription.sdp; };
window.level = (frequency) => {
  const all = window.heard.slice(-6);
  if (all.length < 6) return -100;
  let re = 0, im = 0, n = 0;
  for (const piece of all) for (const x of piece) { const w = 2 * Math.PI * frequency * n++ / 48000; re += x * Math.cos(w); im += x * Math.sin(w); }
  return Math.max(-100, 20 * Math.log10(2 * Math.hypot(re, im) / n + 1e-9));
};
/** Pieces of 20 ms in what was heard that are 10 dB below the loudest. */
window.gaps = () => {
  const levels = [];
  for (const piece of window.heard) for (let at = 0; at + 960 <= piece.length; at += 960) { let sum = 0; for (let i = 0; i < 960; i++) sum += piece[at + i] ** 2; levels.push(sum / 960); }
  const most = Math.max(...levels);
  return levels.filter((level) => level < most / 10).length;
};
window.forget = () => { window.heard.length = 0; };
window.dtmf = (digits) => pc.getSenders().find((sender) => sender.dtmf).dtmf.insertDTMF(digits, 100, 70);
window.pixel = () => {
  if (!window.element || window.element.videoWidth === 0) return null;
  const canvas = document.createElement("canvas"); canvas.width = 320; canvas.height = 240;
  const context = canvas.getContext("2d"); context.drawImage(window.element, 0, 0, 320, 240);
  return [...context.getImageData(160, 120, 1, 1).data];
};
`;

export class BrowserPeer {
  readonly #page: Page;
  private constructor(page: Page) {
    this.#page = page;
  }

  /** `video`: the colour of a picture that it sends. */
  static async open(browser: Browser, frequency: number, video?: string, configuration: object = {}): Promise<BrowserPeer> {
    const page = await browser.newPage();
    await page.addScriptTag({ content: script });
    const peer = new BrowserPeer(page);
    await peer.run("start", frequency, video ?? null, configuration);
    return peer;
  }

  async run<T>(name: string, ...args: unknown[]): Promise<T> {
    return (await this.#page.evaluate(`window.${name}(...${JSON.stringify(args)})`)) as T;
  }

  /** The offer with all addresses that it found. */
  gathered(): Promise<string> {
    return this.run("gathered");
  }

  offer(): Promise<string> {
    return this.run("offer");
  }

  accept(sdp: string): Promise<void> {
    return this.run("accept", sdp);
  }

  answer(sdp: string): Promise<string> {
    return this.run("answer", sdp);
  }

  /**
   * As a browser whose network changed: its next offer has new credentials for ICE, and it waits until it sends by them. @throws when either side kept its old
   * ones
   */
  async restartIce(negotiate: (offer: string) => Promise<string>): Promise<void> {
    const way = async (isNew: (one: string) => boolean) => {
      for (;;) {
        const found = await this.run<[string, string] | null>("way");
        if (found && isNew(found[0])) return found;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    };
    const before = await way(() => true);
    await this.run("restart");
    await this.accept(await negotiate(await this.offer()));
    const [, theirs] = await way((ours) => ours !== before[0]);
    if (theirs === before[1]) throw new Error("The server has the credentials of ICE that it had.");
  }

  /** Of a sine, in dB of full scale. */
  level(frequency: number): Promise<number> {
    return this.run("level", frequency);
  }

  async close(): Promise<void> {
    await this.#page.close();
  }
}
