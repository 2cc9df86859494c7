import type { ToneSpec } from "../media/engine.ts";

/** What a caller hears of the network (ITU-T E.180). */
export type ToneName = "dial" | "ringback" | "busy" | "congestion" | "call_waiting";

/** Frequencies, then on and off by turns in milliseconds; without times it goes on and on. */
type Cadence = readonly [frequencies: readonly number[], ...ms: number[]];
type Tones = Readonly<Record<ToneName, Cadence>>;

/** One frequency for all, with the cadences that most countries of Europe have (E.180 clauses 4 to 8). */
function at(hertz: number, other: Partial<Tones> = {}): Tones {
  const one = [hertz];
  return {
    dial: [one],
    ringback: [one, 1000, 4000],
    busy: [one, 500, 500],
    congestion: [one, 250, 250],
    call_waiting: [one, 200, 600, 200, 10_000],
    ...other,
  };
}

const northAmerica: Tones = {
  dial: [[350, 440]],
  ringback: [[440, 480], 2000, 4000],
  busy: [[480, 620], 500, 500],
  congestion: [[480, 620], 250, 250],
  call_waiting: [[440], 300, 10_000],
};

const anywhere = at(425);

/**
 * By ISO 3166 country. Each line but those that name another source was compared with ITU-T E.180 Supplement 2 ("Various tones used in national
 * networks", also in the annex to ITU Operational Bulletin 781, 1 February 2003), as two tone tables of other telephone systems give it that name it as
 * theirs; the bulletin itself was not read. A country that is not here has `anywhere`.
 */
const countries: Readonly<Record<string, Tones>> = {
  US: northAmerica,
  CA: northAmerica,
  GB: {
    dial: [[350, 440]],
    ringback: [[400, 450], 400, 200, 400, 2000],
    busy: [[400], 375, 375],
    congestion: [[400], 400, 350, 225, 525],
    call_waiting: [[400], 100, 4000],
  },
  IE: at(425, {
    ringback: [[400, 450], 400, 200, 400, 2000],
    busy: [[425], 450, 450],
    congestion: [[425], 375, 375],
    call_waiting: [[425], 200, 200, 200, 4000],
  }),
  // The supplement has no tones of congestion and call waiting for France.
  FR: at(440, { ringback: [[440], 1500, 3500], call_waiting: [[440], 300, 10_000] }),
  // In neither table: not checked.
  UA: at(425, { busy: [[425], 350, 350], congestion: [[425], 175, 175], call_waiting: [[425], 200, 5000] }),
  // The supplement's first tones of each kind, read in the list itself.
  DE: at(425, { busy: [[425], 480, 480], congestion: [[425], 240, 240], call_waiting: [[425], 200, 200, 200, 5000] }),
  AT: at(420, {
    ringback: [[420], 1000, 5000],
    busy: [[420], 400, 400],
    congestion: [[420], 200, 200],
    call_waiting: [[420], 40, 1960],
  }),
  CH: at(425, { congestion: [[425], 200, 200], call_waiting: [[425], 200, 200, 200, 4000] }),
  BE: at(425, { ringback: [[425], 1000, 3000], congestion: [[425], 167, 167], call_waiting: [[1400], 175, 175, 175, 3500] }),
  NL: at(425, { call_waiting: [[425], 500, 9500] }),
  // In neither table: not checked.
  LU: at(425, { busy: [[425], 480, 480], congestion: [[425], 240, 240] }),
  ES: at(425, {
    ringback: [[425], 1500, 3000],
    busy: [[425], 200, 200],
    congestion: [[425], 200, 200, 200, 200, 200, 600],
    call_waiting: [[425], 175, 175, 175, 3500],
  }),
  PT: at(425, { ringback: [[425], 1000, 5000], congestion: [[425], 200, 200], call_waiting: [[425], 200, 200, 200, 5000] }),
  IT: at(425, {
    dial: [[425], 200, 200, 600, 1000],
    congestion: [[425], 200, 200],
    call_waiting: [[425], 400, 100, 250, 100, 150, 14_000],
  }),
  PL: at(425, { congestion: [[425], 500, 500], call_waiting: [[425], 150, 150, 150, 4000] }),
  CZ: at(425, {
    dial: [[425], 330, 330, 660, 660],
    busy: [[425], 330, 330],
    congestion: [[425], 165, 165],
    call_waiting: [[425], 330, 9000],
  }),
  HU: at(425, {
    ringback: [[425], 1250, 3750],
    busy: [[425], 300, 300],
    congestion: [[425], 300, 300],
    call_waiting: [[425], 40, 1960],
  }),
  SE: at(425, {
    ringback: [[425], 1000, 5000],
    busy: [[425], 250, 250],
    congestion: [[425], 250, 750],
    call_waiting: [[425], 200, 500, 200, 9100],
  }),
  NO: at(425, { congestion: [[425], 200, 200] }),
  FI: at(425, { busy: [[425], 300, 300], congestion: [[425], 200, 200], call_waiting: [[425], 150, 150, 150, 8000] }),
  DK: at(425, { congestion: [[425], 200, 200], call_waiting: [[425], 200, 600, 200, 3000] }),
  BG: at(425, { call_waiting: [[425], 150, 150, 150, 4000] }),
  EE: at(425, { busy: [[425], 300, 300], congestion: [[425], 200, 200] }),
  LT: at(425, { busy: [[425], 350, 350], congestion: [[425], 200, 200], call_waiting: [[425], 150, 150, 150, 4000] }),
  GR: at(425, {
    dial: [[425], 200, 300, 700, 800],
    busy: [[425], 300, 300],
    congestion: [[425], 200, 200],
    call_waiting: [[425], 150, 150, 150, 8000],
  }),
  RO: at(450, {
    ringback: [[450], 1850, 4150],
    busy: [[450], 167, 167],
    congestion: [[450], 500, 500],
    call_waiting: [[450], 150, 150, 150, 8000],
  }),
  TR: at(450, {
    ringback: [[450], 2000, 4000],
    congestion: [[450], 200, 200, 200, 200, 200, 200, 600, 200],
    call_waiting: [[450], 200, 600, 200, 8000],
  }),
  IL: at(414, { ringback: [[414], 1000, 3000], call_waiting: [[414], 100, 100, 100, 100, 600, 3000] }),
  NZ: at(400, {
    ringback: [[400, 450], 400, 200, 400, 2000],
    busy: [[400], 250, 250],
    congestion: [[400], 375, 375],
    call_waiting: [[400], 200, 3000],
  }),
  MX: at(425, { busy: [[425], 250, 250] }),
  AR: at(425, {
    ringback: [[425], 1000, 4500],
    busy: [[425], 300, 300],
    congestion: [[425], 200, 300],
    call_waiting: [[425], 200, 9000],
  }),
  CN: at(450, { busy: [[450], 350, 350], congestion: [[450], 700, 700], call_waiting: [[450], 400, 4000] }),
  BR: at(425, { busy: [[425], 250, 250], congestion: [[425], 250, 250, 750, 250], call_waiting: [[425], 50, 1000] }),
  AU: {
    dial: [[413, 438]],
    ringback: [[413, 438], 400, 200, 400, 2000],
    busy: [[425], 375, 375],
    congestion: [[425], 375, 375],
    call_waiting: [[425], 200, 200, 200, 4400],
  },
  // 400 Hz times 16 Hz: the two beside it.
  JP: at(400, {
    ringback: [[384, 416], 1000, 2000],
    congestion: [[400], 500, 500],
    call_waiting: [[384, 416], 500, 8000],
  }),
};

/** Of an ISO 3166 country ("UA"), as the media engine plays it: again and again until it is stopped. */
export function callTone(country: string, name: ToneName): ToneSpec {
  const [frequencies, ...times] = (countries[country.toUpperCase()] ?? anywhere)[name];
  if (times.length === 0) return { segments: [{ frequencies, ms: 1000 }], repeat: true };
  return { segments: times.map((ms, index) => ({ frequencies: index % 2 === 0 ? frequencies : [], ms })), repeat: true };
}

/** The countries whose own tones are known. */
export const toneCountries: readonly string[] = Object.keys(countries);
