/** What the pages say, by language. */
export const words = {
  en: {
    invite: "Leave a few words.",
    name: "Your name",
    message: "Your message",
    send: "Sign the guest book",
    empty: "Nobody has written anything yet. Be the first.",
    older: "Older entries",
    newer: "Newest entries",
    missing: "Write your name and a few words.",
    tooFast: "One entry every few seconds, please. Try again in a moment.",
    entries: (count) => (count === 1 ? "1 entry" : `${count} entries`),
  },
  fr: {
    invite: "Laissez quelques mots.",
    name: "Votre nom",
    message: "Votre message",
    send: "Signer le livre d’or",
    empty: "Personne n’a encore écrit. Soyez la première ou le premier.",
    older: "Messages plus anciens",
    newer: "Derniers messages",
    missing: "Indiquez votre nom et quelques mots.",
    tooFast: "Un message toutes les quelques secondes, s’il vous plaît. Réessayez dans un instant.",
    entries: (count) => (count > 1 ? `${count} messages` : `${count} message`),
  },
  uk: {
    invite: "Залиште кілька слів.",
    name: "Ваше ім’я",
    message: "Ваше повідомлення",
    send: "Залишити запис",
    empty: "Ще ніхто нічого не написав. Будьте першими.",
    older: "Давніші записи",
    newer: "Найновіші записи",
    missing: "Напишіть своє ім’я та кілька слів.",
    tooFast: "Один запис на кілька секунд, будь ласка. Спробуйте за мить.",
    entries: (count) => {
      const form = { one: "запис", few: "записи", many: "записів" }[new Intl.PluralRules("uk").select(count)] ?? "записів";
      return `${count} ${form}`;
    },
  },
};
