import type { Translation } from "./message.ts";
import type en from "./projects.en.ts";

export default {
  title: "Проєкти",
  text: "Проєкт об’єднує те, що належить разом: бакети, ключі та доступ до них.",
  slug: "Адреса",
  slugHint: "Частина посилань консолі. Якщо порожньо, утвориться з назви.",
  slugChange: "Посилання зі старою адресою перестануть діяти.",
  create: "Новий проєкт",
  createAction: "Створити проєкт",
  createText: "Для одного сайту, класу, клієнта чи відділу.",
  renameTitle: "Перейменувати проєкт",
  none: "Проєктів ще немає",
  noneText: "Усе в хмарі живе в проєктах. Для початку досить одного.",
  delete: "Видалити проєкт",
  deleteTitle: "Видалити {name}?",
  deleteText: "Видалити можна лише порожній проєкт: спершу видаліть його бакети.",
  deleteGoes: "Проєкт, його ролі та ключі доступу, назавжди",
  deleteStays: "Дані про споживання та записи аудиту",
} satisfies Translation<typeof en>;
