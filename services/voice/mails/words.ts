import type { PhoneMailKind } from "./contract.ts";
import type { LimitKind, MailContent } from "./store.ts";

/** What mails say, in the language of whom they are for. */
interface Words {
  hidden: string;
  subject: Record<PhoneMailKind, string>;
  text: Record<PhoneMailKind, string[]>;
  limit: Record<LimitKind, string>;
  attached: string;
  tooLong: string;
  kept: string;
  deleted: string;
}

const clock = (milliseconds: number): string => {
  const seconds = Math.max(1, Math.round(milliseconds / 1000));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
};

const words: Record<MailContent["language"], Words> = {
  en: {
    hidden: "a hidden number",
    subject: {
      voicemail: "Voicemail from {caller} ({length})",
      missed_call: "Missed call from {caller}",
      emergency: "Emergency call: {number} was called by {caller}",
      low_balance: "The balance of the phone system {system} is low",
      limit_reached: "A limit of the phone system {system} stops calls",
    },
    text: {
      voicemail: ["{caller} left a message for {extension}.", "When: {when}", "Length: {length}"],
      missed_call: ["{caller} called {extension}, and nobody answered.", "When: {when}"],
      emergency: ["{caller} called the emergency number {number} with the phone system {system}.", "When: {when}"],
      low_balance: ["The balance of the phone system {system} is {balance}.", "Top it up, so that calls go on."],
      limit_reached: [
        "{limit}",
        "Call: {caller} to {number}",
        "When: {when}",
        "",
        "You are told of this at most once an hour. If these calls are not yours, change the passwords of the phones; if they are, raise the limit in the settings of the phone system.",
      ],
    },
    limit: {
      countries: "Somebody called a country that is not allowed.",
      hours: "Somebody called abroad outside of the hours for that.",
      prefixes: "Somebody called a number that is blocked.",
      calls: "There are as many calls outside as are allowed.",
      day: "What may be spent in a day is spent.",
      balance: "The balance is used up.",
      extension_day: "What an extension may spend in a day is spent.",
      extension_month: "What an extension may spend in a month is spent.",
    },
    attached: "The recording is attached.",
    tooLong: "The recording is too long for a mail. Listen to it by phone or in the console:",
    kept: "It stays in the voicemail too:",
    deleted: "It is deleted from the voicemail, as you wished.",
  },
  fr: {
    hidden: "un numéro masqué",
    subject: {
      voicemail: "Message vocal de {caller} ({length})",
      missed_call: "Appel manqué de {caller}",
      emergency: "Appel d’urgence : {caller} a appelé le {number}",
      low_balance: "Le solde du système téléphonique {system} est bas",
      limit_reached: "Une limite du système téléphonique {system} bloque des appels",
    },
    text: {
      voicemail: ["{caller} a laissé un message pour {extension}.", "Date : {when}", "Durée : {length}"],
      missed_call: ["{caller} a appelé {extension}, et personne n’a répondu.", "Date : {when}"],
      emergency: ["{caller} a appelé le numéro d’urgence {number} avec le système téléphonique {system}.", "Date : {when}"],
      low_balance: [
        "Le solde du système téléphonique {system} est de {balance}.",
        "Rechargez-le pour que les appels continuent.",
      ],
      limit_reached: [
        "{limit}",
        "Appel : {caller} vers {number}",
        "Date : {when}",
        "",
        "Vous en êtes informé au plus une fois par heure. Si ces appels ne viennent pas de chez vous, changez les mots de passe des téléphones ; sinon, relevez la limite dans les réglages du système téléphonique.",
      ],
    },
    limit: {
      countries: "Un pays qui n’est pas autorisé a été appelé.",
      hours: "Un numéro à l’étranger a été appelé en dehors des heures prévues.",
      prefixes: "Un numéro bloqué a été appelé.",
      calls: "Le nombre d’appels extérieurs autorisés en même temps est atteint.",
      day: "Le montant autorisé par jour est dépensé.",
      balance: "Le solde est épuisé.",
      extension_day: "Le montant qu’un poste peut dépenser par jour est dépensé.",
      extension_month: "Le montant qu’un poste peut dépenser par mois est dépensé.",
    },
    attached: "L’enregistrement est joint.",
    tooLong: "L’enregistrement est trop long pour un courriel. Écoutez-le par téléphone ou dans la console :",
    kept: "Il reste aussi dans la messagerie :",
    deleted: "Il est effacé de la messagerie, comme vous l’avez souhaité.",
  },
  uk: {
    hidden: "прихований номер",
    subject: {
      voicemail: "Голосове повідомлення від {caller} ({length})",
      missed_call: "Пропущений дзвінок: {caller}",
      emergency: "Екстрений виклик: {caller} телефонує на {number}",
      low_balance: "Малий залишок телефонної системи {system}",
      limit_reached: "Обмеження телефонної системи {system} зупиняє дзвінки",
    },
    text: {
      voicemail: ["Нове повідомлення для {extension}.", "Від кого: {caller}", "Коли: {when}", "Тривалість: {length}"],
      missed_call: ["Пропущений дзвінок для {extension}.", "Від кого: {caller}", "Коли: {when}"],
      emergency: ["З телефонної системи {system} викликано екстрений номер {number}.", "Хто: {caller}", "Коли: {when}"],
      low_balance: ["Залишок телефонної системи {system}: {balance}.", "Поповніть його, щоб дзвінки не припинилися."],
      limit_reached: [
        "{limit}",
        "Дзвінок: {caller} на {number}",
        "Коли: {when}",
        "",
        "Про це ми пишемо не частіше ніж раз на годину. Якщо ці дзвінки не ваші, змініть паролі телефонів; якщо ваші, підвищте обмеження в налаштуваннях телефонної системи.",
      ],
    },
    limit: {
      countries: "Хтось дзвонив у країну, яку не дозволено.",
      hours: "Хтось дзвонив за кордон у недозволений час.",
      prefixes: "Хтось дзвонив на заблокований номер.",
      calls: "Зовнішніх дзвінків одночасно вже стільки, скільки дозволено.",
      day: "Дозволену за день суму витрачено.",
      balance: "Залишок вичерпано.",
      extension_day: "Внутрішній номер витратив дозволену йому за день суму.",
      extension_month: "Внутрішній номер витратив дозволену йому за місяць суму.",
    },
    attached: "Запис додано до листа.",
    tooLong: "Запис задовгий для листа. Послухайте його телефоном або в консолі:",
    kept: "Він залишається й у голосовій пошті:",
    deleted: "З голосової пошти його видалено, як ви й бажали.",
  },
};

export interface MailFacts {
  kind: PhoneMailKind;
  content: MailContent;
  at: Date;
  systemName: string;
  timeZone: string;
  /** Where the person listens in a browser. */
  consoleUrl: string;
  /** What becomes of the sound of a voicemail; undefined: nobody wants it in the mail. */
  sound?: "attached" | "too_long" | undefined;
}

export function mailWords(facts: MailFacts): { subject: string; text: string } {
  const { kind, content, at, timeZone } = facts;
  const { language } = content;
  const chosen = words[language];
  const number = content.fromNumber === "anonymous" ? chosen.hidden : (content.fromNumber ?? "");
  const values: Record<string, string> = {
    caller: content.fromName === undefined ? number : `${content.fromName} (${number})`,
    when: new Intl.DateTimeFormat(language, { dateStyle: "full", timeStyle: "short", timeZone }).format(at),
    length: clock(content.milliseconds ?? 0),
    extension: content.extension ?? "",
    number: content.number ?? "",
    system: facts.systemName,
    limit: content.limit === undefined ? "" : chosen.limit[content.limit],
    balance:
      content.balance === undefined
        ? ""
        : new Intl.NumberFormat(language, { style: "currency", currency: content.currency ?? "EUR" }).format(
            Number(content.balance),
          ),
  };
  const fill = (text: string) => text.replace(/\{(\w+)\}/g, (_, name: string) => values[name] ?? "");
  const lines = chosen.text[kind].map(fill);
  if (kind === "voicemail") lines.push("", ...soundLines(chosen, facts));
  return { subject: fill(chosen.subject[kind]), text: `${lines.join("\n")}\n` };
}

function soundLines(chosen: Words, { sound, content, consoleUrl }: MailFacts): string[] {
  if (sound === "too_long") return [chosen.tooLong, consoleUrl];
  if (sound === undefined) return [consoleUrl];
  return content.deleteAfterMail ? [chosen.attached, chosen.deleted] : [chosen.attached, chosen.kept, consoleUrl];
}
