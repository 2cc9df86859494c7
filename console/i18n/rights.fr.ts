import type { Translation } from "./message.ts";
import type en from "./rights.en.ts";

export default {
  title: "Droits de ses conteneurs",
  text: "Les commandes tournent sans aucun droit de root. Certaines images en demandent quelques-uns pour démarrer ; la plupart des applications, aucun.",
  asSource: "Comme le dit la source",
  asSourceText: "Ce que demande le khmara.json du code déployé, ou rien.",
  these: "Ceux-ci",
  theseText: "Quoi que demande la source. Aucun ne sort du conteneur.",
  user: "Utilisateur",
  userText:
    "Sous quel compte tournent les commandes : un nom ou un numéro dans l’image, et un groupe après deux-points. Vide : comme le disent khmara.json ou l’image.",
  userRules: "Un nom ou un numéro, et un groupe après deux-points : 1000, www-data, 1000:1000.",
  capabilities: "Droits (capabilities)",
  "of.CHOWN": "Donner des fichiers à d’autres utilisateurs",
  "of.DAC_OVERRIDE": "Lire et écrire des fichiers, quel que soit leur propriétaire",
  "of.FOWNER": "Changer les permissions des fichiers d’autrui",
  "of.SETGID": "Passer à un autre groupe",
  "of.SETUID": "Passer à un autre utilisateur",
  "of.KILL": "Arrêter les processus d’autres utilisateurs",
  "of.NET_BIND_SERVICE": "Écouter sur les ports inférieurs à 1024",
  live: "En ligne : {user}, {capabilities}.",
  liveUser: "utilisateur {user}",
  imageUser: "l’utilisateur de l’image",
  none: "aucun droit",
  again: "Enregistrer crée une nouvelle version de la même image, mise en ligne aussitôt.",
  waits: "Ils attendent que l’application tourne à nouveau.",
} satisfies Translation<typeof en>;
