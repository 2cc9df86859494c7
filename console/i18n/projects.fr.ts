import type { Translation } from "./message.ts";
import type en from "./projects.en.ts";

export default {
  title: "Projets",
  text: "Un projet réunit ce qui va ensemble : compartiments, clés et droits d’accès.",
  slug: "Adresse",
  slugHint: "Elle figure dans les liens de la console. Vide, elle est tirée du nom.",
  slugChange: "Les liens contenant l’ancienne adresse cesseront de fonctionner.",
  create: "Nouveau projet",
  createAction: "Créer le projet",
  createText: "Pour un site, une classe, un client ou un service.",
  renameTitle: "Renommer le projet",
  none: "Pas encore de projet",
  noneText: "Tout, dans le cloud, se trouve dans un projet. Un seul suffit pour commencer.",
  delete: "Supprimer le projet",
  deleteTitle: "Supprimer {name} ?",
  deleteText: "Seul un projet vide peut être supprimé : supprimez d’abord ses compartiments.",
  deleteGoes: "Le projet, ses rôles et ses clés d’accès, définitivement",
  deleteStays: "Sa consommation et ses entrées d’audit",
} satisfies Translation<typeof en>;
