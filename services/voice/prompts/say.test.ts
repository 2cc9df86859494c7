import assert from "node:assert/strict";
import { test } from "node:test";
import { type Language, languages } from "./languages.ts";
import { type Noun, type Saying, say } from "./say.ts";
import {
  conferenceCame,
  conferenceCount,
  forwardedTo,
  parkedAt,
  queuePosition,
  queueWait,
  voicemailCount,
  voicemailReceived,
} from "./sayings.ts";
import { clipWords } from "./words.ts";

/** The words of the clips, as they are heard. */
function heard(language: Language, ...sayings: Saying[]): string {
  const words = say(language, sayings).map((clip) =>
    "file" in clip ? `(${clip.file})` : clipWords(clip.language).get(clip.clip),
  );
  assert.ok(!words.includes(undefined), `no such clip: ${JSON.stringify(say(language, sayings))}`);
  return words.join(" ");
}

test("messages are counted by each language's grammar", () => {
  assert.equal(heard("en", ...voicemailCount(1, 0)), "You have 1 new message");
  assert.equal(heard("en", ...voicemailCount(3, 1)), "You have 3 new messages and 1 saved message");
  assert.equal(heard("en", ...voicemailCount(0, 0)), "You have no messages.");
  assert.equal(heard("fr", ...voicemailCount(1, 2)), "Vous avez 1 nouveau message et 2 messages sauvegardés");
  assert.equal(heard("uk", ...voicemailCount(1, 0)), "У вас одне нове повідомлення");
  assert.equal(heard("uk", ...voicemailCount(2, 0)), "У вас 2 нові повідомлення");
  assert.equal(heard("uk", ...voicemailCount(5, 21)), "У вас 5 нових повідомлень і двадцять одне збережене повідомлення");
  assert.equal(heard("uk", ...voicemailCount(11, 0)), "У вас 11 нових повідомлень");
  assert.equal(heard("uk", ...voicemailCount(112, 0)), "У вас 100 12 нових повідомлень");
});

test("genders and plurals of what is counted", () => {
  assert.equal(heard("uk", { number: 1, noun: "minute" }), "одна хвилина");
  assert.equal(heard("uk", { number: 22, noun: "minute" }), "двадцять дві хвилини");
  assert.equal(heard("uk", { number: 12, noun: "second" }), "12 секунд");
  assert.equal(heard("uk", { number: 21, noun: "conference_member" }), "21 учасник");
  assert.equal(heard("fr", { number: 1, noun: "minute" }), "une minute");
  assert.equal(heard("fr", { number: 21, noun: "second" }), "vingt et une secondes");
  assert.equal(heard("fr", { number: 71, noun: "minute" }), "71 minutes");
  assert.equal(heard("fr", { number: 81, noun: "minute" }), "quatre-vingt une minutes");
  assert.equal(heard("en", { number: 1, noun: "hour" }), "1 hour");
});

test("large numbers, numbers that are none, and nothing", () => {
  assert.equal(heard("en", { number: 1234 }), "1 thousand 200 34");
  assert.equal(heard("fr", { number: 1300 }), "mille 300");
  assert.equal(heard("uk", { number: 1000 }), "тисяча");
  assert.equal(heard("uk", { number: 2001 }), "дві тисячі 1");
  assert.equal(heard("uk", { number: 21_500 }), "двадцять одна тисяча 500");
  assert.equal(heard("uk", { number: 12_000 }), "12 тисяч");
  assert.equal(heard("en", { number: 0 }), "0");
  assert.equal(heard("en", { number: 1_234_567 }), "1 2 3 4 5 6 7");
  assert.equal(heard("en", { number: 2.5 }), "2 point 5");
});

test("figures and letters", () => {
  assert.equal(heard("en", { digits: "+380 44-12*#" }), "plus 3 8 0 4 4 1 2 star hash");
  assert.equal(heard("fr", { letters: "Ab2é" }), "a bé 2 e");
  assert.equal(heard("uk", { letters: "Їжaк" }), "ї же ay ка");
  assert.equal(heard("en", { letters: "ґ" }), "ґе");
});

const kyiv = "Europe/Kyiv";
const now = new Date("2026-11-22T20:00:00Z");

test("dates, with today and yesterday where the phone system is", () => {
  const date = (language: Language, text: string): string => heard(language, { date: new Date(text), timeZone: kyiv, now });
  assert.equal(date("en", "2026-11-22T08:00:00Z"), "today");
  assert.equal(date("fr", "2026-11-21T08:00:00Z"), "hier");
  // In Kyiv it is the next day already.
  assert.equal(date("uk", "2026-11-20T23:30:00Z"), "вчора");
  assert.equal(date("en", "2026-11-03T12:00:00Z"), "November third");
  assert.equal(date("fr", "2026-05-01T12:00:00Z"), "le premier mai");
  assert.equal(date("uk", "2026-02-23T12:00:00Z"), "двадцять третього лютого");
});

test("times", () => {
  const time = (language: Language, text: string): string => heard(language, { time: new Date(text), timeZone: "UTC" });
  assert.equal(time("en", "2026-11-22T14:30:00Z"), "at 2 30 p.m.");
  assert.equal(time("en", "2026-11-22T00:05:00Z"), "at 12 oh 5 a.m.");
  assert.equal(time("en", "2026-11-22T12:00:00Z"), "at 12 p.m.");
  assert.equal(time("fr", "2026-11-22T21:01:00Z"), "à vingt et une heures une");
  assert.equal(time("fr", "2026-11-22T08:00:00Z"), "à 8 heures");
  assert.equal(time("uk", "2026-11-22T11:02:00Z"), "об одинадцятій годині дві хвилини");
  assert.equal(time("uk", "2026-11-22T22:00:00Z"), "о двадцять другій годині");
});

test("whole announcements", () => {
  const received = voicemailReceived({ at: new Date("2026-11-21T14:30:00Z"), from: "102" }, "UTC", now);
  assert.equal(heard("en", ...received), "received yesterday at 2 30 p.m. from 1 0 2");
  assert.match(heard("en", ...voicemailReceived({ at: now, from: undefined }, "UTC", now)), /from an unknown number$/);
  assert.equal(heard("en", ...queuePosition(1)), "You are the next one.");
  assert.equal(heard("uk", ...queuePosition(4)), "Ваше місце в черзі: номер 4");
  assert.equal(heard("fr", ...queueWait(20)), "Le temps d'attente estimé est de moins d'une minute.");
  assert.equal(heard("uk", ...queueWait(3720)), "Орієнтовний час очікування: одна година дві хвилини");
  assert.equal(heard("en", ...parkedAt("701")), "The call is parked at 7 0 1");
  assert.equal(heard("en", ...conferenceCount(0)), "You are the only one in this conference.");
  assert.equal(heard("uk", ...conferenceCount(3)), "У конференції 4 учасники");
  assert.equal(heard("en", ...conferenceCame("/names/1.wav")), "(/names/1.wav) has joined the conference.");
  assert.equal(heard("en", ...forwardedTo("12", "busy")), "When you are busy, calls are forwarded to 1 2");
});

test("whatever is said has its words in every language", () => {
  const nouns: Noun[] = ["voicemail_new", "voicemail_saved", "conference_member", "minute", "second", "hour", "thousand"];
  for (const language of languages) {
    for (let number = 0; number < 130; number++) for (const noun of nouns) heard(language, { number, noun });
    for (let number = 900; number < 130_000; number += 777) heard(language, { number });
    for (let minute = 0; minute < 24 * 60; minute++) heard(language, { time: new Date(minute * 60_000), timeZone: "UTC" });
    for (let day = 0; day < 366; day++) heard(language, { date: new Date(day * 86_400_000), timeZone: "UTC", now });
    assert.deepEqual(
      new Set([...clipWords(language).keys()].filter((clip) => /_/.test(clip) && !clip.startsWith("letter_"))),
      new Set([...clipWords("en").keys()].filter((clip) => /_/.test(clip) && !clip.startsWith("letter_"))),
    );
  }
});
